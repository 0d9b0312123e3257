// Runs a fuzz target without libFuzzer over the files of the directories that it is given, so that every build and every
// test run replays the corpora. Fails if a directory is missing or empty.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// How many files were run; 0 says that the directory is no corpus.
std::size_t replay(const std::filesystem::path& directory) {
    std::error_code failure;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator entry{directory, failure}, end; !failure && entry != end;
         entry.increment(failure))
        if (entry->is_regular_file()) files.push_back(entry->path());
    std::sort(files.begin(), files.end());  // the order of a directory is not the same everywhere
    for (const auto& path : files) {
        std::ifstream in{path, std::ios::binary};
        // Exactly as large as the file: a sanitizer sees one byte too far.
        const std::vector<char> bytes{std::istreambuf_iterator<char>{in}, {}};
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    return files.size();
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: %s DIRECTORY...\n", arguments[0]);
        return 2;
    }
    for (int i = 1; i < count; ++i) {
        const std::size_t files = replay(arguments[i]);
        std::printf("%s: %zu files\n", arguments[i], files);
        if (files == 0) {
            std::fprintf(stderr, "%s: no such corpus, or an empty one\n", arguments[i]);
            return 1;
        }
    }
}
