// See hostile_neighbour.h: overlay::Script makes the link, an overlay::Switch of its own the path.
#include "tests/node/process/hostile_neighbour.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "node/entropy.h"
#include "node/loop.h"
#include "plugins/routing/static_table.h"
#include "stack/core/address_text.h"

namespace weft::node {

using namespace overlay;

HostileNeighbour::HostileNeighbour(const Seed& seed, const Network& network, const Address& target, std::uint16_t port)
    : network_{network}, script_{seed, network, target}, target_{target},
      socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
}

HostileNeighbour::~HostileNeighbour() {
    switch_.reset();
    if (router_) routing::static_table.destroy(router_);
}

void HostileNeighbour::send(Bytes datagram) { EXPECT_GE(::send(socket_.get(), datagram.data(), datagram.size(), 0), 0); }

std::vector<std::byte> HostileNeighbour::receive(milliseconds patience) {
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, int(patience.count())) <= 0) return {};
    std::vector<std::byte> datagram(65'536);
    const ssize_t got = ::recv(socket_.get(), datagram.data(), datagram.size(), 0);
    datagram.resize(std::size_t(std::max<ssize_t>(got, 0)));
    return datagram;
}

bool HostileNeighbour::link() {
    for (unsigned attempt = 0; attempt < 20; ++attempt) {
        send(script_.init());
        for (auto answer = receive(milliseconds{500}); !answer.empty(); answer = receive(milliseconds{500})) {
            if (answer.size() != resp_size || answer[0] != std::byte(Message::resp) || !script_.take_resp(answer)) continue;
            send(script_.fin());
            return true;
        }
    }
    return false;
}

void HostileNeighbour::flush() {
    if (!switch_) return;
    std::array<Switch::Control, 4> bodies;
    while (const std::size_t count = switch_->control(bodies, monotonic_now()))
        for (std::size_t i = 0; i < count; ++i) send_control(bodies[i].body);
}

void HostileNeighbour::send_control(Bytes body) {
    std::vector<std::byte> frame(3 + body.size());
    frame[0] = std::byte(FrameType::ctrl);
    store_little(&frame[1], std::uint16_t(body.size()));
    append(&frame[3], body);
    send(script_.seal(frame));
}

void HostileNeighbour::take(std::vector<std::byte> datagram) {
    const auto plain = script_.open(std::move(datagram));
    if (!plain) return;
    FrameReader reader{*plain};
    for (Frame frame; reader.next(frame);) {
        if (frame.type == FrameType::path_challenge)
            send(script_.seal(make_frame(FrameType::path_response, weft::overlay::take<8>(frame.body.data()))));
        else if (frame.type == FrameType::ctrl && switch_) switch_->receive_control(1, frame.body, monotonic_now());
    }
    flush();
}

void HostileNeighbour::serve(milliseconds span) {
    for (const auto begin = Clock::now(); since(begin) < span;) {
        if (auto datagram = receive(milliseconds{10}); !datagram.empty()) take(std::move(datagram));
        if (switch_ && switch_->deadline() <= monotonic_now()) switch_->advance(monotonic_now());
        flush();
    }
}

std::optional<Label> HostileNeighbour::open_path(const Address& to) {
    const std::string routes =
        R"({"routes": [{"to": ")" + OverlayFamily::format(to) + R"(", "via": ")" + OverlayFamily::format(target_) + "\"}]}";
    static constexpr weft_router_host host{};
    const auto* self = reinterpret_cast<const std::uint8_t*>(address().bytes().data());
    router_ = routing::static_table.create(&host, self, routes.c_str(), 0);
    if (!router_) return std::nullopt;
    SwitchConfig config;
    std::copy_n(network_.net.begin(), 8, config.netid.begin());
    const auto wall = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    config.unix_zero = std::uint64_t(wall.count() - monotonic_now().nanoseconds() / 1'000'000'000);
    switch_ = std::make_unique<Switch>(script_.identity, config, system_entropy(), routing::static_table, router_);
    switch_->link_up(1, target_, 1'200, Duration::milliseconds(1), monotonic_now());
    Script far{Seed{std::byte{77}}, network_, to};
    const Init init = far.init();
    if (!switch_->open(to, Bytes{init}.first(init_head), monotonic_now())) return std::nullopt;
    flush();
    for (const auto begin = Clock::now(); since(begin) < milliseconds{5'000};) {
        serve(milliseconds{20});
        std::array<PathEvent, 4> events;
        const std::size_t count = switch_->events(events);
        for (std::size_t i = 0; i < count; ++i)
            if (events[i].kind == PathEvent::Kind::opened) return events[i].label;
            else ADD_FAILURE() << "the path failed: " << to_string(events[i].reason);
    }
    return std::nullopt;
}

void HostileNeighbour::send_label(Label label, std::size_t bytes) {
    std::vector<std::byte> frame(LabelHeader::size + bytes);
    system_entropy()(MutableBytes{frame}.subspan(LabelHeader::size));
    LabelHeader{.ecn = 0, .hop_limit = 255, .flow = 1, .label = label}.write(frame.data());
    send(script_.seal(frame));
}

}  // namespace weft::node
