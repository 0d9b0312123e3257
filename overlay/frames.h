// The one grammar of every plaintext (docs/wire.md): NET and PAD run to the packet's end, all others are
// `type u8, len u16, body`. Frames of a type that this version does not know are skipped by their length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "overlay/block.h"
#include "stack/wire/overlay.h"

namespace weft::overlay {

enum class FrameType : std::uint8_t {
    pad = 0,
    ctrl = 2,
    path_challenge = 4,
    path_response = 5,
    close = 6,
    report = 7,
    label = 0x10,
    net = 0x40
};

// The reason in CLOSE.
inline constexpr std::uint8_t close_ended = 0, close_resting = 1;

struct Frame {
    FrameType type{};        // all four forms of NET are `net`, all four of LABEL `label`
    std::size_t offset{0};   // of `body` in the plaintext
    Bytes body;              // behind type and length; of NET behind its 3 bytes; of LABEL and PAD behind the type
    wire::NetFrame net;
};

// Yields frame after frame; what it yields has the size that its type asks for.
class FrameReader {
public:
    explicit FrameReader(Bytes plain) : plain_{plain} {}

    bool next(Frame& frame) {
        if (at_ >= plain_.size()) return false;
        const std::uint8_t type = std::to_integer<std::uint8_t>(plain_[at_]);
        if (type == 0x00) return to_end(frame, FrameType::pad, 1);
        if (type >= 0x10 && type <= 0x13) return to_end(frame, FrameType::label, 1);
        if (wire::NetFrame::matches(plain_[at_])) return net(frame);
        if (plain_.size() - at_ < header) return fail();
        const std::size_t length = load_little<std::uint16_t>(&plain_[at_ + 1]);
        if (plain_.size() - at_ - header < length) return fail();
        frame = {FrameType(type), at_ + header, plain_.subspan(at_ + header, length), {}};
        if (const std::size_t size = size_of(frame.type); size != 0 && size != length) return fail();
        at_ += header + length;
        return true;
    }

    bool malformed() const { return malformed_; }

    static constexpr std::size_t header = 3;   // type and length

    // The exact body of a type; 0: any.
    static constexpr std::size_t size_of(FrameType type) {
        switch (type) {
        case FrameType::path_challenge:
        case FrameType::path_response: return 8;
        case FrameType::close: return 1;
        case FrameType::report: return 12;
        default: return 0;
        }
    }

private:
    bool fail() {
        malformed_ = true;
        at_ = plain_.size();
        return false;
    }

    bool to_end(Frame& frame, FrameType type, std::size_t skip) {
        frame = {type, at_ + skip, plain_.subspan(at_ + skip), {}};
        at_ = plain_.size();
        return true;
    }

    bool net(Frame& frame) {
        const auto parsed = wire::NetFrame::parse(plain_.subspan(at_));
        if (!parsed) return fail();
        to_end(frame, FrameType::net, wire::NetFrame::header_size);
        frame.net = *parsed;
        return true;
    }

    Bytes plain_;
    std::size_t at_{0};
    bool malformed_{false};
};

// A small frame, ready to be sealed.
template <std::size_t N>
Block<FrameReader::header + N> make_frame(FrameType type, const Block<N>& body) {
    Block<FrameReader::header + N> out;
    out[0] = std::byte(type);
    store_little(&out[1], std::uint16_t{N});
    append(&out[3], body);
    return out;
}

}  // namespace weft::overlay
