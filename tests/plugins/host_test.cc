// What the host opens and what it refuses, each refusal with its mend; private copies; the time of calls.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elf.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "plugins/host/elf.h"
#include "plugins/host/values.h"
#include "tests/plugins/workshop.h"

namespace weft::test {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

AssertionResult says(const std::string& message, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts)
        if (message.find(part) == std::string::npos)
            return AssertionFailure() << "\"" << message << "\" without \"" << part << "\"";
    return AssertionSuccess();
}

std::string hide(const std::string& path) { return std::filesystem::path(path).filename().string(); }

class PluginHost : public testing::Test {
protected:
    static std::unique_ptr<plugins::Plugin> open(const plugins::Host& host, std::string_view name,
                                                 std::span<const plugins::Plugin* const> others = {}) {
        const auto file = host.find(name);
        if (!file) return ADD_FAILURE() << file.error().message, nullptr;
        auto opened = host.open(*file, others);
        if (!opened) return ADD_FAILURE() << opened.error().message, nullptr;
        return std::move(*opened);
    }

    // A window after one acknowledgement, from 10 segments of 1,000 bytes.
    static std::uint64_t after_an_ack(const weft_cc_v1& table, std::uint64_t acked = 10'000) {
        std::vector<std::byte> state(table.state_size);
        std::uint32_t step = 1;
        if (table.state_size >= 12) std::memcpy(state.data() + 8, &step, sizeof step);
        weft_cc_control out{};
        out.size = sizeof out;
        out.mss = 1'000;
        table.init(state.data(), nullptr, 0, 0, &out);
        weft_cc_ack ack{};
        ack.size = sizeof ack;
        ack.mss = 1'000;
        ack.newly_acked = acked;
        ack.flags = WEFT_ACK_CWND_LIMITED;
        table.on_ack(state.data(), nullptr, &ack, &out);
        return out.cwnd;
    }

    Workshop workshop;
};

TEST_F(PluginHost, OpensWhatShipsAndReadsItsTables) {
    const plugins::Host host{{{built_plugins()}, Duration::milliseconds(1), {"newreno", "cubic"}, {}}};
    const auto aimd = open(host, "aimd");
    ASSERT_TRUE(aimd);
    ASSERT_EQ(aimd->modules().size(), 1u);
    const plugins::Plugin::Module& module = aimd->modules()[0];
    EXPECT_EQ(module.contents.name, "aimd");
    EXPECT_EQ(aimd->version(), "1.0");
    EXPECT_EQ(aimd->license(), "MIT");
    ASSERT_EQ(module.contents.parameters.size(), 2u);
    EXPECT_STREQ(module.contents.parameters[0].name, "increase");
    EXPECT_EQ(module.contents.parameters[1].highest.integer, 99);
    ASSERT_EQ(module.contents.variables.size(), 3u);
    EXPECT_STREQ(module.contents.variables[0].name, "phase");
    EXPECT_EQ(module.installable.table->size, sizeof(weft_cc_v1));
    EXPECT_EQ(module.installable.table->on_timer, nullptr);
    EXPECT_EQ(plugins::long_hash(aimd->hash()).size(), 64u);
    const auto cubic = open(host, "cubic_plugin");
    ASSERT_TRUE(cubic);
    EXPECT_EQ(cubic->modules()[0].contents.name, "cubic_plugin");
}

TEST_F(PluginHost, ANameIsNoPathAndHasNoEnding) {
    for (const std::string_view name :
         {"", "../odd", "odd.so", "/odd", "a b", "-odd", "1odd", "odd\n", "a234567890123456789012345678901x"})
        EXPECT_TRUE(says(workshop.refusal(name), {"is no plugin's name", "without its directory and without .so"})) << name;
    EXPECT_TRUE(plugins::name_is_valid("a-b_C9"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"there is no odd.so in", "they hold no plugin"}));
    ASSERT_TRUE(workshop.build_odd("odd"));
    EXPECT_TRUE(says(workshop.refusal("ood"), {"they hold odd"}));
    EXPECT_EQ(workshop.refusal("odd"), "");
}

TEST_F(PluginHost, TheFirstDirectoryThatHasTheFileIsTheOne) {
    const Workshop other;
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(other.build_odd("odd", "-DCOUNT=2"));
    plugins::HostConfig config = workshop.config();
    config.directories = {workshop / "none", other.directory(), workshop.directory()};
    const auto opened = open(plugins::Host{config}, "odd");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->modules().size(), 2u);
    config.directories.clear();
    EXPECT_TRUE(says(plugins::Host{config}.find("odd").error().message, {"no directory of plugins is configured"}));
}

TEST_F(PluginHost, WhatOthersMayWriteToIsRefused) {
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_EQ(::chmod((workshop / "odd.so").c_str(), 0666), 0);
    EXPECT_TRUE(says(workshop.refusal("odd"), {"everyone may write to", "odd.so: run `chmod o-w"}));
    ASSERT_EQ(::chmod((workshop / "odd.so").c_str(), 0644), 0);
    EXPECT_EQ(workshop.refusal("odd"), "");
    for (const mode_t mode : {0777, 01777}) {
        ASSERT_EQ(::chmod(workshop.directory().c_str(), mode), 0);
        EXPECT_TRUE(says(workshop.refusal("odd"), {"everyone may write to", "chmod o-w"})) << "sticky serves above it alone";
    }
    ASSERT_EQ(::chmod(workshop.directory().c_str(), 0755), 0);

    const std::string below = workshop / "open/plugins";
    std::filesystem::create_directories(below);
    std::filesystem::copy(workshop / "odd.so", below + "/odd.so");
    ASSERT_EQ(::chmod((workshop / "open").c_str(), 0777), 0);
    plugins::HostConfig config = workshop.config();
    config.directories = {below};
    const auto found = plugins::Host{config}.find("odd");
    ASSERT_FALSE(found);
    EXPECT_TRUE(says(found.error().message, {"/open", "everyone may write to"})) << "a directory above it can be renamed";
}

TEST_F(PluginHost, WhatAnotherUserOwnsIsRefused) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: only root can give a file away";
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_EQ(::chown((workshop / "odd.so").c_str(), 12'345, 12'345), 0);
    EXPECT_TRUE(says(workshop.refusal("odd"), {"odd.so belongs to another user (id 12345)", "chown it"}));
    ASSERT_EQ(::chown((workshop / "odd.so").c_str(), 0, 0), 0);
    ASSERT_EQ(::chown(workshop.directory().c_str(), 12'345, 12'345), 0);
    EXPECT_TRUE(says(workshop.refusal("odd"), {"belongs to another user (id 12345)"}));
    ASSERT_EQ(::chown(workshop.directory().c_str(), 0, 0), 0);
}

TEST_F(PluginHost, ALinkMayLeadToAFileBesideItAndNowhereElse) {
    const Workshop other;
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(other.build_odd("odd"));
    std::filesystem::create_symlink("odd.so", workshop / "beside.so");
    EXPECT_EQ(workshop.refusal("beside"), "");
    std::filesystem::create_symlink(other / "odd.so", workshop / "away.so");
    EXPECT_TRUE(
        says(workshop.refusal("away"), {"away.so is a symbolic link out of its directory", "put the file itself there"}));
    std::filesystem::create_symlink("../" + hide(other.directory()) + "/odd.so", workshop / "up.so");
    EXPECT_TRUE(says(workshop.refusal("up"), {"symbolic link out of its directory"}));
    std::filesystem::create_symlink("round.so", workshop / "round.so");
    EXPECT_TRUE(says(workshop.refusal("round"), {"chain of more than 4 symbolic links"}));
    std::filesystem::create_symlink("gone.so", workshop / "broken.so");
    EXPECT_TRUE(says(workshop.refusal("broken"), {"broken.so leads to gone.so: No such file"}));
}

// Writes the file again with `change` made to its bytes.
void alter(const std::string& path, const std::function<void(std::string&)>& change) {
    std::string bytes = node::read_file(path);
    change(bytes);
    std::ofstream{path, std::ios::binary} << bytes;
}

TEST_F(PluginHost, WhatIsNoPluginOfThisMachineIsToldSo) {
    std::filesystem::create_directory(workshop / "folder.so");
    EXPECT_TRUE(says(workshop.refusal("folder"), {"folder.so is no regular file"}));
    std::ofstream{workshop / "text.so"} << "#!/bin/sh\n";
    EXPECT_TRUE(says(workshop.refusal("text"), {"text.so is no shared object (ELF)", "docs/plugins.md"}));
    std::ofstream{workshop / "empty.so"};
    EXPECT_TRUE(says(workshop.refusal("empty"), {"empty.so is no shared object"}));

    ASSERT_TRUE(workshop.build_odd("odd"));
    const std::string file = workshop / "odd.so", whole = node::read_file(file);
    alter(file, [](std::string& bytes) { bytes[offsetof(Elf64_Ehdr, e_machine)] = EM_S390; });
    EXPECT_TRUE(says(workshop.refusal("odd"), {"is built for another kind of machine"}));
    alter(file, [&](std::string& bytes) { bytes = whole, bytes[EI_CLASS] = ELFCLASS32; });
    EXPECT_TRUE(says(workshop.refusal("odd"), {"is built for another kind of machine"}));
    alter(file, [&](std::string& bytes) { bytes = whole, bytes[offsetof(Elf64_Ehdr, e_type)] = ET_REL; });
    EXPECT_TRUE(says(workshop.refusal("odd"), {"is a program or an object file"}));
    alter(file, [&](std::string& bytes) { bytes = whole.substr(0, whole.size() / 2); });
    EXPECT_TRUE(says(workshop.refusal("odd"), {"odd.so is damaged", "build or copy it again"}));
    alter(file,
          [&](std::string& bytes) { bytes = whole, std::fill_n(bytes.begin() + offsetof(Elf64_Ehdr, e_shoff), 8, '\0'); });
    EXPECT_TRUE(says(workshop.refusal("odd"), {"no table of dynamic symbols"}));
}

TEST_F(PluginHost, AFileWithoutItsEntryOrOfAnotherMajorVersionIsNotOpened) {
    ASSERT_TRUE(workshop.build_odd("odd", "-DENTRY=some_function"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"exports no weft_plugin_entry_v1", "WEFT_EXPORT"}));
    ASSERT_TRUE(workshop.build_odd("odd", "-DENTRY=weft_plugin_entry_v2"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"is built for another major version of the interface (2; this node has 1)",
                                               "build it against this node's weft_plugin.h"}));
    ASSERT_TRUE(workshop.build_odd("odd", "-DUNDEFINED"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"odd.so cannot be opened: undefined symbol: that_nobody_defines"}));
    ASSERT_TRUE(workshop.build_odd("odd", "-Wl,-z,nodelete"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"could never be unloaded", "without -z nodelete"}));
    ASSERT_TRUE(workshop.build_odd("odd", "-DRETURNS_NOTHING"));
    EXPECT_TRUE(says(workshop.refusal("odd"), {"its entry returned nothing"}));
}

TEST_F(PluginHost, TablesThatCannotBeServedAreRefusedWithTheirMend) {
    const std::pair<std::string_view, std::vector<std::string_view>> cases[]{
        {"-DTABLE_SIZE=8", {"its table says that it has 8 bytes", "sizeof(weft_cc_v1)"}},
        {"-DTABLE_SIZE=100000", {"its table says that it has 100000 bytes"}},
        {"-DFLAGS=8", {"asks for what this host does not serve: WEFT_CC_ECT1", "leave that out of .flags"}},
        {"-DFLAGS=0x80000000u", {"does not serve: bit 31"}},
        {"-DSTATE_SIZE=65537", {"a state of 65537 bytes a flow", "at most 65536"}},
        {"-DOFFSET=16", {"the parameter \"step\" lies at offset 16, beyond the 16 bytes of the state", "offsetof()"}},
        {"-DOFFSET=0xffffffffu", {"beyond the 16 bytes"}},
        {"-DOFFSET=9", {"lies at offset 9, not a multiple of its 4 bytes"}},
        {"-DTYPE=0", {"the parameter \"step\" has the type 0", "WEFT_TYPE_*"}},
        {"-DTYPE=77", {"has the type 77"}},
        {"-DKIND=9", {"has the kind 9", "WEFT_KIND_*"}},
        {"-DKIND=WEFT_KIND_STATE", {"is a WEFT_KIND_STATE without `names`"}},
        {"-DINITIAL=101", {"must have lowest <= initial <= highest"}},
        {"-DON_ACK=0", {"init, on_ack and on_congestion must be there"}},
        {"-DSTRIDE=4", {"the stride of its parameters is 4", "sizeof(weft_field)"}},
        {"-DTWICE", {"two parameters are called \"step\": rename one"}},
        {"-DCOUNT=0", {"it holds 0 modules"}},
        {"-DCOUNT=17", {"it holds 17 modules; 1 to 16 are read"}},
        {"'-DNAME=\"o.d\"'", {"module 0 has no good name"}},
        {"'-DNAME=\"\"'", {"module 0 has no good name"}},
        {"-DMODULE_KIND=77", {"it holds nothing for this host", "odd is a module of kind 77"}},
        {"'-DNAME=\"odder\"' -DCOUNT=2", {"two of its modules are called \"odder\""}},
        {"'-DNAME=\"cubic\"'", {"its module cubic has the name of one that is compiled in: rename it"}},
    };
    for (const auto& [options, parts] : cases) {
        ASSERT_TRUE(workshop.build_odd("odd", options));
        const std::string message = workshop.refusal("odd");
        for (const std::string_view part : parts) EXPECT_TRUE(says(message, {part})) << options;
        EXPECT_TRUE(message.starts_with(workshop / "odd.so")) << message;
    }
}

TEST_F(PluginHost, AModuleOfAnotherKindIsLeftOutAndSaid) {
    ASSERT_TRUE(workshop.build_odd("odd", "-DMODULE_KIND=77 -DCOUNT=2"));
    const auto opened = open(plugins::Host{workshop.config()}, "odd");
    ASSERT_TRUE(opened);
    ASSERT_EQ(opened->modules().size(), 1u);
    EXPECT_EQ(opened->modules()[0].contents.name, "odder");
    ASSERT_EQ(opened->not_served().size(), 1u);
}

TEST_F(PluginHost, TwoFilesMayNotHaveModulesOfOneName) {
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(workshop.build_odd("other"));
    const plugins::Host host{workshop.config()};
    const auto first = open(host, "odd");
    const plugins::Plugin* others[]{first.get()};
    const auto second = host.open(*host.find("other"), others);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().cause, "duplicate");
    EXPECT_TRUE(says(second.error().message, {"its module odd has the name of one of", "odd.so", "unload odd"}));
    EXPECT_TRUE(open(host, "odd", others)) << "a newer version of the same file may";
}

TEST_F(PluginHost, AnOlderTableIsReadAsFarAsItGoes) {
    ASSERT_TRUE(workshop.build_odd("odd", "-DMIGRATES '-DTABLE_SIZE=offsetof(weft_cc_v1,on_sent)'"));
    const auto opened = open(plugins::Host{workshop.config()}, "odd");
    ASSERT_TRUE(opened);
    const weft_cc_v1& table = *opened->modules()[0].installable.table;
    EXPECT_EQ(table.size, sizeof(weft_cc_v1));
    EXPECT_EQ(table.migrate, nullptr) << "beyond its size: it is not there";
    EXPECT_EQ(after_an_ack(table), 10'000u);
}

TEST_F(PluginHost, TheFileMayBeOverwrittenWhileItIsMapped) {
    ASSERT_TRUE(workshop.build_odd("odd", "-DCWND=12345"));
    const plugins::Host host{workshop.config()};
    const auto opened = open(host, "odd");
    ASSERT_TRUE(opened);
    std::ofstream{workshop / "odd.so", std::ios::binary | std::ios::trunc} << std::string(100, 'x');   // the same inode
    EXPECT_EQ(after_an_ack(*opened->modules()[0].installable.table), 12'345u);
    ASSERT_TRUE(workshop.build_odd("odd", "-DCWND=54321"));
    const auto newer = open(host, "odd");
    ASSERT_TRUE(newer);
    EXPECT_EQ(after_an_ack(*newer->modules()[0].installable.table), 54'321u);
    EXPECT_EQ(after_an_ack(*opened->modules()[0].installable.table), 12'345u) << "both are mapped";
    EXPECT_NE(opened->hash(), newer->hash());
}

TEST_F(PluginHost, AClosedFileIsUnmapped) {
    const auto mapped = [] {
        const std::string maps = node::read_file("/proc/self/maps");
        std::size_t count = 0;
        for (std::size_t at = maps.find("memfd:odd"); at != std::string::npos; at = maps.find("memfd:odd", at + 1)) ++count;
        return count;
    };
    ASSERT_TRUE(workshop.build_odd("odd"));
    const plugins::Host host{workshop.config()};
    EXPECT_EQ(mapped(), 0u);
    for (int i = 0; i < 200; ++i) {   // more often than there are gates
        const auto opened = open(host, "odd");
        ASSERT_TRUE(opened);
        EXPECT_GT(mapped(), 0u);
    }
    EXPECT_EQ(mapped(), 0u);
}

TEST_F(PluginHost, WhatAPluginSaysIsHeard) {
    std::vector<std::string> heard;
    plugins::HostConfig config = workshop.config();
    config.log = [&](int level, std::string_view plugin, std::string_view text) {
        heard.push_back(std::to_string(level) + " " + std::string(plugin) + " " + std::string(text));
    };
    ASSERT_TRUE(workshop.build_odd("odd"));
    EXPECT_TRUE(open(plugins::Host{config}, "odd"));
    EXPECT_EQ(heard, std::vector<std::string>{"6 odd here I am"});
}

TEST_F(PluginHost, CallsThatTakeTooLongMakeAModuleFaultyAndOthersDoNot) {
    ASSERT_TRUE(workshop.build_odd("slow", "-DSLEEPS=3000000 -D_POSIX_C_SOURCE=200809L"));   // 3 ms, of 1
    ASSERT_TRUE(workshop.build_odd("quick", "'-DNAME=\"quick\"'"));
    const plugins::Host host{workshop.config()};
    const auto slow = open(host, "slow"), quick = open(host, "quick");
    ASSERT_TRUE(slow && quick);
    const std::uint64_t before = plugins::gate_faults();
    for (int i = 0; i < 10'000; ++i) (void)after_an_ack(*quick->modules()[0].installable.table);
    EXPECT_EQ(plugins::gate_faults(), before);
    EXPECT_FALSE(quick->modules()[0].gate.status().faulty);
    EXPECT_GE(quick->modules()[0].gate.status().timed, 20'000u / plugins::sample_interval);
    for (int i = 0; i < 60 && plugins::gate_faults() == before; ++i)
        (void)after_an_ack(*slow->modules()[0].installable.table);
    EXPECT_EQ(plugins::gate_faults(), before + 1);
    const plugins::GateStatus seen = slow->modules()[0].gate.status();
    EXPECT_TRUE(seen.faulty);
    EXPECT_GE(seen.late, 8u);
    EXPECT_GE(seen.longest, Duration::milliseconds(3));
}

TEST(PluginValues, AParameterTakesWhatLiesInItsRange) {
    weft_field field{"step", "bytes", "", 0, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {1}, {1}, {100}, nullptr};
    EXPECT_EQ(plugins::value_for(field, std::int64_t{100})->integer, 100);
    EXPECT_EQ(plugins::value_for(field, 7.0)->integer, 7);
    EXPECT_EQ(plugins::value_for(field, std::int64_t{101}).error(), "\"step\" = 101; it must be from 1 to 100 bytes");
    EXPECT_EQ(plugins::value_for(field, 0.5).error(), "\"step\" = 0.5; it must be a whole number from 1 to 100 bytes");
    field.type = WEFT_TYPE_F64;
    field.lowest.real = 0.25, field.highest.real = 0.75;
    EXPECT_EQ(plugins::value_for(field, 0.5)->real, 0.5);
    EXPECT_FALSE(plugins::value_for(field, std::int64_t{1}));
    EXPECT_FALSE(plugins::parse_number("1e999"));
    EXPECT_FALSE(plugins::parse_number("nan"));
    EXPECT_FALSE(plugins::parse_number("2x"));
    EXPECT_FALSE(plugins::parse_number(""));
}

TEST(PluginValues, AFieldShowsWhatTheStateHolds) {
    const char* const names[]{"low", "high", nullptr};
    std::array<std::byte, 16> state{};
    state[0] = std::byte{1};
    state[8] = state[9] = state[15] = std::byte{0xff};
    const auto field = [&](std::uint32_t offset, int type, int kind) {
        return weft_field{"x", "", "", offset, std::uint16_t(type), std::uint16_t(kind), {}, {}, {}, names};
    };
    using plugins::Shown;
    EXPECT_EQ(plugins::show(field(0, WEFT_TYPE_U8, WEFT_KIND_STATE), state), Shown{std::string("high")});
    EXPECT_EQ(plugins::show(field(8, WEFT_TYPE_U8, WEFT_KIND_STATE), state), Shown{}) << "no name for 255";
    EXPECT_EQ(plugins::show(field(0, WEFT_TYPE_U32, WEFT_KIND_GAUGE), state), Shown{std::uint64_t{1}});
    EXPECT_EQ(plugins::show(field(0, WEFT_TYPE_U8, WEFT_KIND_FLAG), state), Shown{true});
    EXPECT_EQ(plugins::show(field(8, WEFT_TYPE_I64, WEFT_KIND_GAUGE), state), Shown{std::int64_t(0xff00'0000'0000'ffff)});
    EXPECT_EQ(plugins::show(field(12, WEFT_TYPE_U64, WEFT_KIND_GAUGE), state), Shown{}) << "beyond the state";
}

}  // namespace
}  // namespace weft::test
