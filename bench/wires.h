// Network namespaces that live as long as the process that made them, and the wires in them: a benchmark leaves nothing behind.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace weft::bench {

// Each answers "" or what went wrong.
std::string enter_new_network();  // this process's own from here on, its loopback up
std::string enter_network_of(pid_t process);
std::string run_quietly(const std::vector<std::string>& command);

// A pair of virtual Ethernet interfaces of MTU 1500 between this process's network (10.88.0.1) and that of `process`
// (10.88.0.2). Without offloads, frames are as on a real wire: summed and at most 1,514 bytes.
std::string make_veth(pid_t process, bool offloads);

// This process runs on that core alone and before all that is not urgent, as far as it may. False: not all of it was allowed.
bool pin(unsigned core);

double cpu_of_process();  // seconds, user and system, of this process without its children

}  // namespace weft::bench
