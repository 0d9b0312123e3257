// Where recordings lie, and how their files are made: names in one directory, never paths, mode 0600, nothing overwritten untold.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "node/unique_fd.h"

namespace weft::node {

struct RecordingFile {
    UniqueFd fd;  // open for writing, and empty
    std::string path;
    std::uint64_t limit{0};  // bytes, then the recording ends in order; 0: none
};

// Why there is no such file: a sentence that names its mend, and a word for programs.
struct RecordingProblem {
    std::string message, cause;
};

// $XDG_STATE_HOME/weft/recordings, else ~/.local/state/weft/recordings; for root /var/lib/weft/recordings.
std::string default_recording_directory();

// 1 to 64 characters of a-z, A-Z, 0-9, '-', '_' and '.', the first one a letter or a digit.
bool recording_name_is_valid(std::string_view name);

// NAME-20260102T030405Z, of the time now.
std::string recording_name_for(std::string_view node);

// Makes DIRECTORY/NAME.weft (".weft" is added unless it is there), and the directory (0700) where it is missing. What is there
// already is refused, or with `overwrite` put out of its place: a link itself, never what it leads to.
std::expected<RecordingFile, RecordingProblem> open_recording(const std::string& directory, std::string_view name,
                                                              bool overwrite);
// The same under a name made of `node` and the time now, with -2 to -99 behind it while others of this second are there.
std::expected<RecordingFile, RecordingProblem> open_new_recording(const std::string& directory, std::string_view node);

// A new, empty file of mode 0600 under this name, relative to `directory` (AT_FDCWD: where the program is). With `overwrite` it is made
// beside what is there and takes its place in one step: without one nothing is lost, and who has the old one open keeps it. An errno.
std::expected<UniqueFd, int> make_private_file(int directory, const std::string& name, bool overwrite);

}  // namespace weft::node
