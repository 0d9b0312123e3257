// The rules themselves: each one finds the fault in a bad sample and passes a good one.
#include "tests/house/rules.h"

#include <gtest/gtest.h>

namespace weft::house {
namespace {

const std::vector<File>& known() {
    static const std::vector<File> files{
        {"stack/core/seq.h", ""}, {"stack/tcp/tcb.h", ""},           {"overlay/links.h", ""},
        {"sim/world.h", ""},      {"plugins/abi/weft_plugin.h", ""}, {"tests/sim/peer.h", ""},
        {"node/shard.h", ""},     {"stack/core/trace.h", ""},        {"gui/session.h", ""}};
    return files;
}

std::size_t include_faults(const std::string& path, const std::string& text) {
    return check_includes({path, text}, known()).size();
}

TEST(HouseText, CommentsAndLiteralsAreNoCode) {
    EXPECT_EQ(code_of("int a; // float\nint b; /* double\n */ int c;"), "int a;         \nint b;          \n    int c;");
    EXPECT_EQ(code_of("f(\"virtual \\\" // x\"); g('\"'); h"), "f(\"" + std::string(15, ' ') + "\"); g(' '); h");
    EXPECT_EQ(code_of("x = R\"end(float \" )\" )end\"; y"), "x =  \"" + std::string(20, ' ') + "; y");
    EXPECT_EQ(code_of("n = 1'000'000; c = 'x'; m = 0xff'ff;"), "n = 1'000'000; c = ' '; m = 0xff'ff;");
    EXPECT_EQ(comments_of("int a; // one\n\"// two\""), "       // one\n        ");
    EXPECT_EQ(code_of("/* without an end"), std::string(17, ' '));
    EXPECT_EQ(code_of("\"without an end\nint b;"), "\"              \nint b;");
}

TEST(HouseText, WordsKnowTheirLines) {
    const std::vector<Word> words = words_of("int a1;\n 1e9 b_c");
    ASSERT_EQ(words.size(), 3u);
    EXPECT_EQ(words[1].text, "a1");
    EXPECT_EQ(words[2].text, "b_c");
    EXPECT_EQ(words[2].line, 2u);
}

TEST(HouseIncludes, DownwardsIsFine) {
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "#include \"stack/core/seq.h\"\n#include <vector>\n"), 0u);
    EXPECT_EQ(include_faults("stack/tcp/congestion.h", "#include \"plugins/abi/weft_plugin.h\"\n"), 0u);
    EXPECT_EQ(include_faults("overlay/channel.cc", "#include <sodium.h>\n"), 0u);
    EXPECT_EQ(include_faults("stack/link/udp.cc", "#include <sys/socket.h>\n#include <netinet/in.h>\n"), 0u);
    EXPECT_EQ(include_faults("tests/tcp/a_test.cc", "#include \"sim/world.h\"\n#include <gtest/gtest.h>\n"), 0u);
    EXPECT_EQ(include_faults("node/key_file.cc", "#include <sodium.h>\n#include <fmt/core.h>\n#include <sys/stat.h>\n"), 0u);
}

TEST(HouseIncludes, UpwardsIsFound) {
    EXPECT_EQ(include_faults("stack/core/seq.h", "#include \"stack/tcp/tcb.h\"\n"), 1u);
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "#include \"overlay/links.h\"\n"), 1u);
    EXPECT_EQ(include_faults("overlay/links.cc", "#include \"stack/tcp/tcb.h\"\n"), 1u);
    EXPECT_EQ(include_faults("stack/link/udp.h", "#include \"stack/tcp/tcb.h\"\n"), 1u);
    EXPECT_EQ(include_faults("node/shard.cc", "#include \"sim/world.h\"\n"), 1u);
    EXPECT_EQ(include_faults("sim/world.cc", "  #  include \"tests/sim/peer.h\"\n"), 1u);
}

TEST(HouseIncludes, TheWindowSeesTheEventSchemaAlone) {
    EXPECT_EQ(include_faults("gui/session.cc", "#include \"gui/session.h\"\n#include <QTimer>\n#include <QtMath>\n"), 0u);
    EXPECT_EQ(include_faults("gui/session.h", "#include \"stack/core/trace.h\"\n"), 0u);
    EXPECT_EQ(include_faults("gui/session.h", "#include \"stack/core/seq.h\"\n"), 1u);
    EXPECT_EQ(include_faults("gui/session.h", "#include \"node/shard.h\"\n"), 1u);
    EXPECT_EQ(include_faults("gui/session.h", "#include \"plugins/abi/weft_plugin.h\"\n"), 1u);
    EXPECT_EQ(include_faults("gui/session.cc", "#include <nlohmann/json.hpp>\n"), 1u);
    EXPECT_EQ(include_faults("node/shard.h", "#include \"gui/session.h\"\n"), 1u);
    EXPECT_EQ(include_faults("node/shard.h", "#include <QtMath>\n"), 1u);
    EXPECT_EQ(include_faults("tests/gui/main.cc", "#include <QApplication>\n#include \"gui/session.h\"\n"), 0u);
}

TEST(HouseIncludes, PathsAreWrittenFromTheRoot) {
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "#include \"tcb.h\"\n"), 1u);
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "#include \"../core/seq.h\"\n"), 1u);
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "#include \"stack/tcp/gone.h\"\n"), 1u);
    EXPECT_EQ(include_faults("elsewhere/input.cc", ""), 1u);
    EXPECT_EQ(include_faults("stack/tcp/input.cc", "// #include \"tcb.h\"\n/*\n#include \"tcb.h\"\n*/\n"), 0u);
}

TEST(HouseIncludes, TheOutsideIsSeenWhereItMayBe) {
    EXPECT_EQ(include_faults("stack/core/time.h", "#include <sys/time.h>\n"), 1u);
    EXPECT_EQ(include_faults("stack/engine/engine.cc", "#include <unistd.h>\n"), 1u);
    EXPECT_EQ(include_faults("stack/engine/engine.cc", "#include <chrono>\n"), 1u);
    EXPECT_EQ(include_faults("stack/tcp/isn.cc", "#include <sodium.h>\n"), 1u);
    EXPECT_EQ(include_faults("stack/link/udp.cc", "#include <sodium.h>\n"), 1u);
    EXPECT_EQ(include_faults("stack/wire/tcp.cc", "#include <fmt/core.h>\n"), 1u);
    EXPECT_EQ(include_faults("overlay/links.cc", "#include <thread>\n"), 1u);
    EXPECT_EQ(include_faults("node/shard.cc", "#include <QString>\n"), 1u);
    EXPECT_EQ(include_faults("node/shard.cc", "#include <gtest/gtest.h>\n"), 1u);
}

TEST(HouseEdges, AnEdgeUpwardsIsFound) {
    const std::vector<File> good{
        {"stack/core/CMakeLists.txt", "weft_library(core)"},
        {"stack/wire/CMakeLists.txt", "weft_library(wire PUBLIC weft_core) # weft_tcp\n"},
        {"stack/tcp/CMakeLists.txt", "weft_library(tcp PUBLIC weft_wire weft_abi)"},
        {"stack/tcp/input.cc", "#include \"stack/core/seq.h\"\n#include \"plugins/abi/weft_plugin.h\"\n"}};
    EXPECT_TRUE(check_edges(good).empty());

    std::vector<File> upward = good;
    upward[0].text = "weft_library(core PRIVATE weft_tcp)";
    ASSERT_EQ(check_edges(upward).size(), 1u);
    EXPECT_EQ(check_edges(upward)[0].path, "stack/core/CMakeLists.txt");

    std::vector<File> by_hand = good;
    by_hand[0].text += "\ntarget_link_libraries(weft_core PUBLIC weft_wire)";
    EXPECT_EQ(check_edges(by_hand).size(), 1u);

    std::vector<File> unknown = good;
    unknown[1].text = "weft_library(wire PUBLIC weft_cores weft_core)";
    EXPECT_EQ(check_edges(unknown).size(), 1u);
}

TEST(HouseEdges, AnIncludeWithoutAnEdgeIsFound) {
    const std::vector<File> files{{"stack/core/CMakeLists.txt", "weft_library(core)"},
                                  {"stack/tcp/CMakeLists.txt", "weft_library(tcp PUBLIC weft_abi)"},
                                  {"stack/tcp/input.cc", "\n#include \"stack/core/seq.h\"\n"}};
    const Findings findings = check_edges(files);
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].path, "stack/tcp/input.cc");
    EXPECT_EQ(findings[0].line, 2u);
}

std::size_t word_faults(const std::string& path, const std::string& text) { return check_words({path, text}).size(); }

TEST(HouseWords, AreFoundInCodeAlone) {
    EXPECT_EQ(word_faults("stack/tcp/rtt.cc", "double srtt; float x;"), 2u);
    EXPECT_EQ(word_faults("stack/tcp/rtt.cc", "// double the window\nlog(\"float\"); int doubled;"), 0u);
    EXPECT_EQ(word_faults("stack/tcp/congestion/cubic.cc", "double root;"), 0u);
    EXPECT_EQ(word_faults("stack/core/buffer.h", "std::shared_ptr<int> p; virtual void f();"), 2u);
    EXPECT_EQ(word_faults("node/shard.h", "std::shared_ptr<int> p; double x;"), 0u);
    EXPECT_EQ(word_faults("stack/engine/engine.cc", "assert(x);"), 1u);
    EXPECT_EQ(word_faults("stack/engine/engine.cc", "static_assert(x);"), 0u);
    EXPECT_EQ(word_faults("tests/sim/a_test.cc", "std::uniform_int_distribution<int> d;"), 1u);
    EXPECT_EQ(word_faults("sim/world.cc", "std::rand();"), 1u);
}

TEST(HouseWords, ANodeNeverDrawsSeededKeys) {
    EXPECT_EQ(word_faults("node/shard.cc", "auto e = sim::seeded_entropy(1);"), 1u);
    EXPECT_EQ(word_faults("node/shard.cc", "SeededEntropy e{1};"), 1u);
    EXPECT_EQ(word_faults("sim/world.cc", "SeededEntropy e{1};"), 0u);
    EXPECT_EQ(word_faults("node/shard.cc", "seeded(config, entropy);"), 0u);
}

TEST(HouseWords, NothingIsLeftToDoInAComment) {
    EXPECT_EQ(word_faults("node/shard.cc", std::string("// TO") + "DO: later"), 1u);
    EXPECT_EQ(word_faults("node/shard.cc", "log(\"TODO\");"), 0u);
}

TEST(HouseShape, AFileOpensWithWhatItIs) {
    EXPECT_TRUE(check_opening({"a/b.h", "// This.\n#pragma once\n"}).empty());
    EXPECT_TRUE(check_opening({"a/b.h", "/* This. */\n#ifndef B_H\n#define B_H\n#endif\n"}).empty());
    EXPECT_EQ(check_opening({"a/b.h", "#pragma once\n"}).size(), 1u);
    EXPECT_EQ(check_opening({"a/b.h", "// This.\n"}).size(), 1u);
    EXPECT_EQ(check_opening({"a/b.h", "// #pragma once\n"}).size(), 1u);
    EXPECT_TRUE(check_opening({"a/b.cc", "// This.\n"}).empty());
}

std::string repeated(const std::string& line, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += line;
    return text;
}

TEST(HouseShape, LengthsHaveBounds) {
    EXPECT_TRUE(check_length({"node/a.h", repeated("\n", 300)}).empty());
    EXPECT_EQ(check_length({"node/a.h", repeated("\n", 301)}).size(), 1u);
    EXPECT_TRUE(check_length({"node/a.cc", repeated("\n", 800)}).empty());
    EXPECT_EQ(check_length({"node/a.cc", repeated("\n", 801)}).size(), 1u);
    EXPECT_EQ(check_length({"node/a.cc", "void f() {\n" + repeated("    g();\n", 99) + "}\n"}).size(), 1u);
    EXPECT_TRUE(check_length({"node/a.cc", "void f() {\n" + repeated("    g();\n", 98) + "}\n"}).empty());
    EXPECT_TRUE(check_length({"node/a.cc", "namespace weft {\n" + repeated("int g();\n", 120) + "}\n"}).empty());
}

TEST(HousePaths, OfAMachineAreFound) {
    EXPECT_EQ(check_paths({"README.md",
                           "see /ho"
                           "me/somebody/weft\n"})
                  .size(),
              1u);
    EXPECT_EQ(check_paths({"README.md",
                           "\n/ro"
                           "ot/weft\n"})
                  .at(0)
                  .line,
              2u);
    EXPECT_TRUE(check_paths({"README.md",
                             "build/ho"
                             "me/x and /tmp/x and /run/weft\n"})
                    .empty());
}

TEST(HouseDocuments, PointAtWhatIsThere) {
    EXPECT_TRUE(
        check_links(
            {"docs/a.md", "`stack/core/seq.h` `stack/core/` `bench/NAME_bench.cc` `cmake --preset x` [x](https://x.org/y)"},
            known())
            .empty());
    EXPECT_EQ(check_links({"docs/a.md", "\n`stack/core/gone.h`"}, known()).size(), 1u);
    EXPECT_EQ(check_links({"docs/a.md", "[gone](gone.md)"}, known()).size(), 1u);
    EXPECT_TRUE(check_links({"README.md", "[sim](sim/world.h#top)"}, known()).empty());
    EXPECT_TRUE(check_links({"docs/a.md", "[sim](../sim/world.h)"}, known()).empty());
}

TEST(HouseDocuments, AreNamedByTheirPathInComments) {
    const std::vector<File> files{{"docs/wire.md", ""}};
    EXPECT_TRUE(check_named_documents({"node/a.h", "// As docs/wire.md, section 4, says (docs/wire.md).\n"}, files).empty());
    EXPECT_EQ(check_named_documents({"node/a.h", "int a;  // (wire.md, 4.2)\n"}, files).size(), 1u);
    EXPECT_TRUE(check_named_documents({"node/a.h", "open(\"gone.md\");"}, files).empty());
}

TEST(HouseFuzz, TargetsAreBuiltAndHaveACorpus) {
    std::vector<File> files{{"tests/fuzz/tcp_fuzz.cc", ""}, {"tests/fuzz/CMakeLists.txt", "weft_fuzz(tcp weft_wire)\n"}};
    EXPECT_EQ(check_fuzz(files).size(), 1u);
    files.push_back({"tests/fuzz/corpus/tcp/syn", "x"});
    EXPECT_TRUE(check_fuzz(files).empty());
    files[1].text = "weft_fuzz(tcp_options weft_wire)\n";
    EXPECT_EQ(check_fuzz(files).size(), 1u);
}

TEST(HouseTop, HoldsOnlyWhatBelongsThere) {
    EXPECT_TRUE(check_top_level(std::vector<std::string>{"dev", ".clang-format", "stack", "build"}).empty());
    EXPECT_EQ(check_top_level(std::vector<std::string>{"scripts"}).size(), 1u);
}

}  // namespace
}  // namespace weft::house
