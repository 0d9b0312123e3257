// What a person is told when a device cannot be opened: the call that failed, and what mends it.
#include "node/taps.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace weft::node {
namespace {

std::string told(const char* call, int error, bool tun = false) {
    TapSettings settings;
    settings.name = "lab0";
    settings.tun = tun;
    settings.mtu = 1'400;
    return tap_error({call, error}, settings);
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(TapError, NamesTheMendOfTheStepThatFailed) {
    const std::string open = told("open /dev/net/tun", EACCES);
    EXPECT_TRUE(open.starts_with("open /dev/net/tun: Permission denied: ")) << open;
    EXPECT_TRUE(says(open, "CAP_NET_ADMIN")) << open;
    EXPECT_TRUE(says(told("open /dev/net/tun", ENOENT), "modprobe tun"));
    EXPECT_TRUE(says(told("make the TAP device lab0", EPERM), "mode tap user"));
    EXPECT_TRUE(says(told("make the TUN device lab0", EPERM, true), "mode tun user"));
    EXPECT_TRUE(says(told("make the TAP device lab0", EINVAL), "choose another name"));
    EXPECT_TRUE(says(told("make the TAP device lab0", EBUSY), "another program uses lab0"));
    EXPECT_TRUE(says(told("set the MTU of lab0", EPERM), "ip link set lab0 mtu 1400 up"));
    EXPECT_TRUE(says(told("bring up lab0", EPERM), "ip link set lab0 mtu 1400 up"));
    EXPECT_TRUE(says(told("set the MTU of lab0", EINVAL), "MTU of 1400"));
    EXPECT_TRUE(says(told("give an address to lab0", EPERM), "leave the kernel's address out"));
    EXPECT_TRUE(says(told("give an address to lab0", EACCES), "disable_ipv6"));
    EXPECT_FALSE(says(told("give an address to lab0", ENODEV), "modprobe"));
    EXPECT_EQ(told("bring up lab0", EIO), "bring up lab0: Input/output error");
}

}  // namespace
}  // namespace weft::node
