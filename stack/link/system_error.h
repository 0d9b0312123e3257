// What went wrong in a system call, for a message to a person.
#pragma once

#include <string>

namespace weft::link {

struct SystemError {
    std::string call;  // "bind 127.0.0.1:7000"
    int error{0};      // errno
};

}  // namespace weft::link
