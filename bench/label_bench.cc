// What carrying one labelled packet costs a node beside opening and sealing it: the look at its entry, Switch::onward(), with
// few and with many paths whose packets come in random order. It has no peer.
// usage: bench_label [--json] [--rounds N] [--packets N]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string_view>

#include "bench/options.h"
#include "bench/report.h"
#include "overlay/control.h"
#include "overlay/switch.h"

namespace weft::bench {
namespace {

using namespace overlay;

struct Options {
    bool json{false};
    unsigned rounds{9}, packets{2'000'000};
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--rounds" && read_number(words[1], 5, 1'000, options.rounds)) ++words;
        else if (word == "--packets" && read_number(words[1], 1'000, 100'000'000, options.packets)) ++words;
        else return false;
    }
    return true;
}

constexpr LinkNumber in = 1, out = 2;

// A node between two neighbours, of whom this program plays both.
struct Forwarder {
    explicit Forwarder(std::uint32_t paths) {
        const Entropy entropy{&random, [](void* words, std::span<std::byte> bytes) {
                                  for (std::byte& b : bytes) b = std::byte((*static_cast<std::mt19937_64*>(words))() >> 56);
                              }};
        table.size = sizeof table;
        table.decide = [](void*, weft_instant, weft_query*, weft_decision* decision) {
            decision->verdict = WEFT_ROUTE_FORWARD;
            decision->link = out;
        };
        SwitchConfig config;
        config.setups_a_second = 1'000'000;
        node = std::make_unique<Switch>(identity, config, entropy, table, nullptr);
        node->link_up(in, source.address(), 1'472, Duration::milliseconds(1), now);
        node->link_up(out, destination.address(), 1'472, Duration::milliseconds(1), now);
        for (std::uint32_t i = 0; i < paths; ++i) add(i);
        for (const LabelRow& row : node->labels(2 * paths))
            if (row.in_link == in) labels.push_back(row.label);
        std::shuffle(labels.begin(), labels.end(), random);
    }

    void add(std::uint32_t number) {
        Setup setup;
        setup.path = random() | 1;
        setup.back_label = make_label(number, 1);
        setup.deadline = 9'000;
        setup.pmtu = 1'472;
        setup.dst = destination.address(), setup.src = source.address();
        give(in, setup.body());
        SetupAck ack;
        ack.path = setup.path;
        ack.forward_label = make_label(number, 1);
        give(out, ack.body());
        now = now + Duration::microseconds(50);
    }

    void give(LinkNumber from, Body body) {
        set_txid(body, ++txid[from]);
        node->receive_control(from, body, now);
        Switch::Control sent[4];
        while (const std::size_t count = node->control(sent, now))
            for (std::size_t i = 0; i < count; ++i) {
                const auto header = ControlHeader::parse(sent[i].body);
                const GotItem got[] = {{header->txid}};
                if (header->reliable()) node->receive_control(sent[i].link, list_body<GotItem>(got), now);
            }
    }

    double onward_ns(unsigned packets) {
        std::size_t at = 0, forwarded = 0;
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < packets; ++i) {
            forwarded += node->onward(in, labels[at], 255, 1'400, now).kind == Onward::Kind::forward;
            if (++at == labels.size()) at = 0;
        }
        const double took = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
        return forwarded == packets ? took / packets : -1;
    }

    Identity identity{Seed{std::byte{1}}}, source{Seed{std::byte{2}}}, destination{Seed{std::byte{3}}};
    std::mt19937_64 random{1};
    weft_router_v1 table{};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    std::unique_ptr<Switch> node;
    std::vector<Label> labels;
    std::uint16_t txid[3]{};
};

int run(const Options& options) {
    if (!options.json) std::puts(Case::header().c_str());
    for (const std::uint32_t paths : {1u, 1'000u, 30'000u}) {
        Forwarder forwarder{paths};
        Case result{fmt::format("onward_{}_paths", paths), "ns", Better::less, ""};
        for (unsigned round = 0; round < options.rounds; ++round) {
            const double took = forwarder.onward_ns(options.packets);
            if (took < 0 || forwarder.labels.size() != paths)
                return std::fputs("bench_label: a packet was dropped\n", stderr), 1;
            result.add(took, std::nullopt);
        }
        std::puts((options.json ? result.json("label") : result.row()).c_str());
    }
    return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** arguments) {
    weft::bench::Options options;
    if (weft::bench::read_options(arguments + 1, options)) return weft::bench::run(options);
    std::fputs("usage: bench_label [--json] [--rounds N] [--packets N]\n", stderr);
    return 2;
}
