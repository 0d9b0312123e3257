// docs/conformance.md: which requirement of RFC 9293 which test of this program holds, and which tests the other documents have.
// A test names the requirements that it holds in front of its name: Must10_May2_ThatHappens. WEFT_WRITE_DOCS=1 writes the page.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/rfc/page.h"

namespace weft::test {
namespace {

struct Requirement {
    std::string id, section, level, text;
    bool is_a_must() const { return level.starts_with("MUST"); }
};

std::vector<Requirement> requirements() {
    std::vector<Requirement> all;
    for (const auto& row : rows_of("tests/rfc/rfc9293.tsv"))
        if (row.size() == 4 && row[0] != "id") all.push_back({row[0], row[1], row[2], row[3]});
    return all;
}

std::map<std::string, std::string> declined() {
    std::map<std::string, std::string> all;
    for (const auto& row : rows_of("tests/rfc/declined.tsv"))
        if (row.size() == 2) all[row[0]] = row[1];
    return all;
}

struct Named : NamedTest {
    std::vector<std::string> ids;
};

// "Must10" is MUST-10; empty: no requirement.
std::string id_of(std::string_view word) {
    for (const std::string_view kind : {"Must", "Shld", "May", "Rec", "State"}) {
        if (!word.starts_with(kind) || word.size() == kind.size()) continue;
        const std::string_view number = word.substr(kind.size());
        if (number.find_first_not_of("0123456789") != std::string_view::npos) continue;
        std::string id{kind};
        for (char& c : id) c = c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
        return id + "-" + std::string(number);
    }
    return {};
}

// Every test of the program; its requirements are no longer in its name.
std::vector<Named> tests() {
    std::vector<Named> all;
    for (const NamedTest& each : named_tests()) {
        Named test{each, {}};
        for (std::size_t at = 0, end; (end = each.name.find('_', at)) != std::string::npos; at = end + 1) {
            const std::string id = id_of(std::string_view(each.name).substr(at, end - at));
            if (id.empty()) break;
            test.ids.push_back(id);
            test.name = each.name.substr(end + 1);
        }
        all.push_back(test);
    }
    return all;
}

std::string tables() {
    std::map<std::string, std::vector<std::string>> held;
    std::map<int, std::map<std::string, int>> documents;  // number, file, tests
    for (const Named& test : tests()) {
        for (const std::string& id : test.ids) held[id].push_back("`" + test.suite + "." + test.name + "`");
        for (std::size_t at = test.file.find("rfc"); at != std::string::npos;) {
            const int number = std::atoi(test.file.c_str() + at + (test.file[at] == 'r' ? 3 : 1));
            if (number > 0) ++documents[number][test.file];
            at = test.file.find('_', at + 1);
        }
    }
    const auto refused = declined();
    std::string page = "| id | section | requirement | test |\n| --- | --- | --- | --- |\n";
    for (const Requirement& row : requirements()) {
        std::string tests;
        for (const std::string& name : held[row.id]) tests += (tests.empty() ? "" : ", ") + name;
        if (tests.empty() && refused.contains(row.id)) tests = "declined: " + refused.at(row.id);
        page += "| " + row.id + " | " + row.section + " | " + row.text + " | " + tests + " |\n";
    }
    page += "\n| document | tests of `tests/rfc/` |\n| --- | --- |\n";
    for (const auto& [number, files] : documents) {
        std::string tests;
        for (const auto& [file, count] : files)
            tests += (tests.empty() ? "" : ", ") + ("`" + file + "` (" + std::to_string(count) + ")");
        page += "| RFC " + std::to_string(number) + " | " + tests + " |\n";
    }
    return page;
}

TEST(Conformance, EveryMustOfRfc9293HasATestUnlessItIsSourceRouting) {
    std::set<std::string> held;
    for (const Named& test : tests()) held.insert(test.ids.begin(), test.ids.end());
    const std::set<std::string> source_routing{"MUST-51", "MUST-52", "MUST-53"};
    int musts = 0;
    for (const Requirement& row : requirements()) {
        if (!row.is_a_must()) continue;
        ++musts;
        EXPECT_EQ(held.contains(row.id), !source_routing.contains(row.id)) << row.id << ": " << row.text;
    }
    EXPECT_EQ(musts, 69);
}

TEST(Conformance, EveryOtherRequirementHasATestOrAReasonAndNotBoth) {
    std::set<std::string> held, known;
    for (const Named& test : tests()) held.insert(test.ids.begin(), test.ids.end());
    const auto refused = declined();
    for (const Requirement& row : requirements()) {
        known.insert(row.id);
        EXPECT_NE(held.contains(row.id), refused.contains(row.id)) << row.id << ": " << row.text;
    }
    for (const std::string& id : held) EXPECT_TRUE(known.contains(id)) << id << " is no requirement";
    for (const auto& [id, reason] : refused) EXPECT_TRUE(known.contains(id) && reason.size() > 10) << id;
    EXPECT_EQ(known.size(), 129u);
}

TEST(Conformance, ItsPageIsTrue) {
    hold_page("docs/conformance.md", {"<!-- made by tests/rfc from here -->\n", "<!-- to here -->\n"}, tables(),
              "test_rfc --gtest_filter=Conformance.*");
}

}  // namespace
}  // namespace weft::test
