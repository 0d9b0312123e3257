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
// already is refused, or with `overwrite` taken away first: a link itself, never what it leads to.
std::expected<RecordingFile, RecordingProblem> open_recording(const std::string& directory, std::string_view name,
                                                              bool overwrite);

}  // namespace weft::node
