// What packetdrill asks libc for behind its table's back: TCP_INFO of a descriptor that is ours, and times(), by which it waits for
// ten real jiffies when it starts. In force where the shared object is preloaded, too.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/times.h>

#include <cstdlib>

namespace weft::drill {
bool owns(int fd);
int own_getsockopt(int fd, int level, int name, void* value, socklen_t* length);
}  // namespace weft::drill

extern "C" {

[[gnu::visibility("default")]] int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
    if (weft::drill::owns(fd)) return weft::drill::own_getsockopt(fd, level, name, value, length);
    using Real = int (*)(int, int, int, void*, socklen_t*);
    static const auto real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "getsockopt"));
    return real(fd, level, name, value, length);
}

[[gnu::visibility("default")]] clock_t times(tms* buffer) noexcept {
    static clock_t jiffies = 0;
    if (buffer) *buffer = {};
    return ++jiffies;
}

// The programs that a script starts are not to be judged.
[[gnu::constructor]] static void alone() { unsetenv("LD_PRELOAD"); }
}
