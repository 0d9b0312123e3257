// The other end of an event connection, for tests: what came, by class, and the state of all flows that it makes.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "node/unique_fd.h"
#include "stack/core/recording.h"
#include "stack/core/replay.h"

namespace weft::node {

class EventReader {
public:
    EventReader() = default;
    // `begun`: of the stream, that was read with the answer's line.
    explicit EventReader(UniqueFd socket, std::string begun = {}) : socket_{std::move(socket)} {
        feed(std::as_bytes(std::span<const char>(begun)));
    }

    // What there is now. False: the stream has ended.
    bool read() {
        std::array<std::byte, 65'536> piece{};
        for (;;) {
            const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
            if (got <= 0) return got < 0;
            feed(std::span<const std::byte>(piece).first(std::size_t(got)));
        }
    }
    // Until it holds, or the stream ends, or `ms` are over.
    template <class Condition>
    bool read_until(Condition&& holds, int ms = 10'000) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{ms};
        while (std::chrono::steady_clock::now() < end) {
            const bool lives = read();
            if (holds()) return true;
            if (!lives) return false;
            pollfd one{socket_.get(), POLLIN, 0};
            ::poll(&one, 1, 10);
        }
        return false;
    }

    std::uint64_t count(trace::Type type) const {
        const auto found = records.find(type);
        return found == records.end() ? 0 : found->second;
    }
    std::uint64_t lost() const {
        std::uint64_t sum = 0;
        for (const auto& [type, count] : lagged) sum += count;
        return sum;
    }
    bool saw_state(std::uint8_t to) const {
        for (const trace::Record& record : kept)
            if (record.type == trace::Type::state && trace::body_of<trace::StateChange>(record).to == to) return true;
        return false;
    }
    int descriptor() const { return socket_.get(); }
    void close() { socket_.reset(); }

    trace::Replay flows;
    std::map<trace::Type, std::uint64_t> records, lagged;  // lagged: of ring and queue
    std::vector<trace::Record> kept;  // edges, and counters
    trace::RecordingStream stream;
    std::string error;

private:
    void feed(std::span<const std::byte> bytes) {
        const auto fed = stream.feed(bytes, [this](std::span<const trace::Record> some) {
            flows.apply(some);
            for (const trace::Record& record : some) {
                ++records[record.type];
                if (!trace::is_sample(record.type) || record.type == trace::Type::counters) kept.push_back(record);
                if (record.type != trace::Type::lagged) continue;
                const auto body = trace::body_of<trace::Lagged>(record);
                if (body.where != 2) lagged[trace::Type(body.type)] += body.count;
            }
        });
        if (!fed && error.empty()) error = fed.error();
    }

    UniqueFd socket_;
};

}  // namespace weft::node
