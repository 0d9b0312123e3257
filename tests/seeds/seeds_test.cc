// docs/seeds.md: which function and promise of the systems that weft follows has which equal here, and the test that holds it.
// The rows are in seeds.tsv. WEFT_WRITE_DOCS=1 writes the page.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/rfc/page.h"

namespace weft::test {
namespace {

constexpr std::string_view later = "comes later: ";

struct Row {
    std::string seed, theirs, ours, tests;
    bool comes_later() const { return tests.starts_with(later); }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        if (comes_later()) return all;
        for (std::size_t at = 0; at < tests.size();) {
            const std::size_t end = std::min(tests.find(", ", at), tests.size());
            all.push_back(tests.substr(at, end - at));
            at = end + 2;
        }
        return all;
    }
};

std::vector<Row> rows() {
    std::vector<Row> all;
    for (const auto& row : rows_of("tests/seeds/seeds.tsv"))
        if (row.size() == 4 && row[0] != "seed") all.push_back({row[0], row[1], row[2], row[3]});
    return all;
}

// Whose suites stand for which system; tests of other suites lie in other folders.
const std::map<std::string, std::string> suites{
    {"Utcp", "uTCP"}, {"Mnet", "Mnet.TCP"}, {"Mirage", "Mirage Tcp"}, {"Haskell", "Haskell tcp"}, {"IPvCoyo", "IPvCoyo"}};

std::string suite_of(const std::string& test) { return test.substr(0, test.find('.')); }

// All sources of tests elsewhere, without blanks: TEST(Suite,Name) may be broken into lines.
const std::string& other_sources() {
    static const std::string all = [] {
        std::string text;
        const std::filesystem::path root{WEFT_SOURCE_DIR};
        std::set<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator{root / "tests"})
            if (entry.path().filename().string().ends_with("_test.cc")) files.insert(entry.path());
        for (const auto& file : files)
            for (const char c : read_source(std::filesystem::relative(file, root).string()))
                if (c != ' ' && c != '\n') text += c;
        return text;
    }();
    return all;
}

bool stands_elsewhere(const std::string& test) {
    const std::string name = suite_of(test) + "," + test.substr(test.find('.') + 1) + ")";
    return std::ranges::any_of(std::array{"TEST(", "TEST_F(", "TEST_P("},
                               [&](const char* macro) { return other_sources().find(macro + name) != std::string::npos; });
}

std::string page() {
    std::string text;
    std::string seed;
    for (const Row& row : rows()) {
        if (row.seed != seed)
            text += (seed.empty() ? "" : "\n") + ("## " + row.seed) + "\n\n| theirs | ours | test |\n| --- | --- | --- |\n";
        seed = row.seed;
        std::string tests;
        for (const std::string& name : row.names()) tests += (tests.empty() ? "`" : ", `") + name + "`";
        text += "| " + row.theirs + " | " + row.ours + " | " + (row.comes_later() ? row.tests : tests) + " |\n";
    }
    return text;
}

TEST(Seeds, EveryRowHasATestThatStandsOrSaysThatItComesLaterAndWhy) {
    std::set<std::string> here;
    for (const NamedTest& test : named_tests()) here.insert(test.full());
    ASSERT_GT(rows().size(), 20u);
    for (const Row& row : rows()) {
        EXPECT_FALSE(row.theirs.empty() || row.ours.empty()) << row.tests;
        if (row.comes_later()) EXPECT_GT(row.tests.size(), later.size() + 20) << row.theirs << ": no reason";
        else EXPECT_FALSE(row.names().empty()) << row.theirs;
        for (const std::string& name : row.names()) {
            if (suites.contains(suite_of(name))) EXPECT_TRUE(here.contains(name)) << name << " is not here";
            else EXPECT_TRUE(stands_elsewhere(name)) << name << " is nowhere in tests/";
        }
    }
    EXPECT_FALSE(stands_elsewhere("Storm.NobodyWroteThisTest"));
}

TEST(Seeds, EveryTestIsNamedByARowOfItsSystemAndRunsInAllThreeFamilies) {
    std::map<std::string, std::set<std::string>> named;  // test to systems
    for (const Row& row : rows())
        for (const std::string& name : row.names()) named[name].insert(row.seed);
    for (const NamedTest& test : named_tests()) {
        const auto system = suites.find(test.suite);
        if (system == suites.end()) continue;
        EXPECT_TRUE(named[test.full()].contains(system->second)) << test.full() << " is in no row";
        const std::set<std::string> families(test.parameters.begin(), test.parameters.end());
        if (test.suite == "IPvCoyo") EXPECT_TRUE(families.empty()) << "it knows 512 bits alone";
        else EXPECT_EQ(families, (std::set<std::string>{"Ipv4", "Ipv6", "Bits512"})) << test.full();
    }
}

TEST(Seeds, ItsPageIsTrue) {
    hold_page("docs/seeds.md", {"<!-- made by tests/seeds from here -->\n", "<!-- to here -->\n"}, page(),
              "test_seeds --gtest_filter=Seeds.*");
}

}  // namespace
}  // namespace weft::test
