// Pages of docs/ that are made by tests from their own names: the tests of this program, tables in files, and a part of a page
// between two marks that is held to what is made, or written where WEFT_WRITE_DOCS is set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::test {

std::string read_source(const std::string& path);  // from the root; empty: there is none
std::vector<std::vector<std::string>> rows_of(const std::string& path);  // lines of cells between tabs

// A test of this program, once however many parameters it runs for.
struct NamedTest {
    std::string suite, name, file;  // without parameters, without folders
    std::vector<std::string> parameters;
    int line{0};
    std::string full() const { return suite + "." + name; }
};
std::vector<NamedTest> named_tests();  // in the order of their files and lines, however they were compiled

struct Marks {
    std::string_view begin, end;  // whole lines
};
// `how` is the command that writes it.
void hold_page(const std::string& path, const Marks& marks, const std::string& made, std::string_view how);

}  // namespace weft::test
