// A member that is a neighbour guesses labels: at a real node's port nothing of it reaches anybody, and all of it is counted.
#include "tests/node/process/hostile_neighbour.h"
#include "overlay/control.h"
#include "stack/core/address_text.h"
#include "tests/node/process/line.h"

namespace weft::node {
namespace {

std::uint32_t hex(const Json& text) { return std::uint32_t(std::stoul(text.get<std::string>(), nullptr, 16)); }

TEST_F(Line, LabelsOfAnotherLinkStaleOnesAndGuessesAreDroppedAndCounted) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(node(0), node(2), 7000, milliseconds{15'000});
    ASSERT_TRUE(ends.sender && ends.receiver);
    begin_transfer(ends, 4 << 20, 4 << 20);

    overlay::Seed seed;
    seed.fill(std::byte{0x5e});
    const Address b = *OverlayFamily::parse(node(1).address()), c = *OverlayFamily::parse(node(2).address());
    HostileNeighbour eve{seed, overlay::Network::make("test", 0), b, node(1).port()};
    ASSERT_TRUE(eve.link());
    eve.serve(milliseconds{100});
    const auto own = eve.open_path(c);
    ASSERT_TRUE(own);
    eve.serve(milliseconds{50});
    ASSERT_NE(*own, 0u);

    // Her own label carries her packets, so that what follows is refused for what it is.
    const std::uint64_t forwarded = counter(node(1), "forwarded");
    eve.send_label(*own);
    ASSERT_TRUE(wait_until([&] { return counter(node(1), "forwarded") > forwarded; }));

    const Json labels = node(1).call("label.list")["labels"];
    overlay::Label foreign = 0;
    std::uint64_t path = 0;
    for (const Json& label : labels)
        if (label["in"] == "a" && label["out"] == "c") {
            foreign = hex(label["label"]);
            path = std::stoull(label["path"].get<std::string>(), nullptr, 16);
        }
    ASSERT_NE(foreign, 0u) << labels;

    for (unsigned i = 0; i < 100; ++i) eve.send_label(foreign);
    ASSERT_TRUE(wait_until([&] { return dropped(node(1), "wrong_link") == 100; })) << node(1).call("label.list");
    for (unsigned i = 0; i < 100; ++i)
        eve.send_label(overlay::make_label(overlay::index_of(*own), std::uint8_t(overlay::generation_of(*own) + 1 + i)));
    ASSERT_TRUE(wait_until([&] { return dropped(node(1), "stale_generation") == 100; })) << node(1).call("label.list");
    for (unsigned i = 0; i < 100; ++i) eve.send_label(overlay::make_label(0x10'0000 + i * 7'919, 1));
    ASSERT_TRUE(wait_until([&] { return dropped(node(1), "unknown") == 100; })) << node(1).call("label.list");

    // Somebody else's path is not hers to tear down, either.
    const std::uint64_t foreign_before = counter(node(1), "foreign");
    eve.send_control(overlay::list_body<overlay::TeardownItem>(std::array{overlay::TeardownItem{path}}));
    ASSERT_TRUE(wait_until([&] { return counter(node(1), "foreign") > foreign_before; })) << node(1).call("label.list");
    join();
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_EQ(result.bytes, 4u << 20);
    const Json far = node(2).call("node.info");
    EXPECT_EQ(far["tcp"]["checksum_errors"], 0);
    EXPECT_TRUE(node(1).alive() && node(2).alive());
}

}  // namespace
}  // namespace weft::node
