// How a page is read, compared and written.
#include "tests/rfc/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

namespace weft::test {

std::string read_source(const std::string& path) {
    std::ifstream file{std::string{WEFT_SOURCE_DIR} + "/" + path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<std::vector<std::string>> rows_of(const std::string& path) {
    std::vector<std::vector<std::string>> rows;
    std::istringstream lines{read_source(path)};
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string>& row = rows.emplace_back();
        std::istringstream cells{line};
        for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    }
    return rows;
}

std::vector<NamedTest> named_tests() {
    std::vector<NamedTest> all;
    std::map<std::string, std::size_t> seen;
    const auto& unit = *::testing::UnitTest::GetInstance();
    for (int i = 0; i < unit.total_test_suite_count(); ++i) {
        const auto& suite = *unit.GetTestSuite(i);
        for (int k = 0; k < suite.total_test_count(); ++k) {
            const auto& info = *suite.GetTestInfo(k);
            std::string group = suite.name(), name = info.name(), parameter;
            if (const auto slash = group.find('/'); slash != std::string::npos) group = group.substr(slash + 1);
            if (const auto slash = name.find('/'); slash != std::string::npos) {
                parameter = name.substr(slash + 1);
                name.resize(slash);
            }
            const auto [at, fresh] = seen.try_emplace(group + "." + name, all.size());
            const std::string file = info.file();
            if (fresh) all.push_back({group, name, file.substr(file.rfind('/') + 1), {}, info.line()});
            if (!parameter.empty()) all[at->second].parameters.push_back(parameter);
        }
    }
    std::ranges::stable_sort(all, {}, [](const NamedTest& each) { return std::pair{each.file, each.line}; });
    return all;
}

void hold_page(const std::string& path, const Marks& marks, const std::string& made, std::string_view how) {
    const std::string page = read_source(path);
    const std::size_t begin = page.find(marks.begin), end = page.find(marks.end);
    ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end) << "the marks are missing";
    const std::size_t from = begin + marks.begin.size();
    const bool is_true = page.substr(from, end - from) == made;
    if (std::getenv("WEFT_WRITE_DOCS"))
        std::ofstream{std::string{WEFT_SOURCE_DIR} + "/" + path} << page.substr(0, from) << made << page.substr(end);
    else EXPECT_TRUE(is_true) << "WEFT_WRITE_DOCS=1 " << how << " writes " << path;
}

}  // namespace weft::test
