// Real weftd processes on loopback, their flows as descriptors, and a NAT between two of them that can change its port.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "node/client.h"
#include "node/unique_fd.h"
#include "tests/node/daemon_support.h"

namespace weft::node {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline milliseconds since(Clock::time_point start) { return std::chrono::duration_cast<milliseconds>(Clock::now() - start); }

// A UDP port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

// One weftd with a key, a configuration and a control socket of its own. It is killed with the object.
class NodeProcess {
public:
    NodeProcess(const TemporaryDirectory& directory, std::string name);
    NodeProcess(const NodeProcess&) = delete;
    NodeProcess& operator=(const NodeProcess&) = delete;
    ~NodeProcess();

    const std::string& name() const { return name_; }
    const std::string& address() const { return address_; }
    std::uint16_t port() const { return port_; }
    pid_t pid() const { return pid_; }

    // `peer_port` 0: a peer without an endpoint. `more` is appended to the configuration.
    void configure(const NodeProcess& peer, std::uint16_t peer_port, std::string_view more = {});
    void configure(std::string_view more);   // no peers but those of `more`
    std::string peer_table(std::uint16_t port) const;   // [[peer]] as others name this node; 0: it dials them
    void start();                      // until its control socket answers
    void signal(int number) const;
    void kill();                       // SIGKILL, and until it is gone
    int wait();                        // for it to end by itself: its exit status, or -1 after 10 s
    bool alive() const;

    Client client() const;             // a new connection to its control socket
    Json call(std::string_view method, const Json& params = Json::object()) const;
    bool wait_for_link(milliseconds patience = milliseconds{5'000}) const;   // to its first peer
    std::string log() const { return read_file(directory_ / (name_ + ".log")); }

private:
    const TemporaryDirectory& directory_;
    std::string name_, address_, config_;
    std::uint16_t port_{0};
    pid_t pid_{-1};
};

// A flow between two nodes, each end with the control connection that its end comes by.
struct Ends {
    std::optional<Client> sender_control, receiver_control;
    UniqueFd sender, receiver;
    std::string sender_flow, receiver_flow;
};

// Connects; fails the test if that takes longer.
Ends connect(const NodeProcess& from, const NodeProcess& to, std::uint16_t port,
             milliseconds patience = milliseconds{5'000});

struct Ended {
    std::string error;                 // "" : in order
    milliseconds after{};              // since the call
    Json params;
};
// Waits for flow.ended; "none came" if none does.
Ended wait_for_end(Client& control, milliseconds patience);

// The bytes of a transfer: what stands at an offset depends on it alone.
void fill(std::uint64_t offset, std::span<std::byte> out);

// Sends `size` bytes, at most `rate` bytes a second (0: no limit), then ends its output. Blocks; run it in a thread.
void send_pattern(int fd, std::uint64_t size, std::uint64_t rate, std::atomic<std::uint64_t>& sent);

struct Received {
    std::uint64_t bytes{0};
    bool equal{true};                  // to the pattern
    bool ended{false};                 // by the end of file
    milliseconds longest_gap{};        // between two reads
};
Received receive_pattern(int fd, std::atomic<std::uint64_t>& received);

// Stands between a dialling node and the other one: datagrams to port() go on to `target` from a socket of its own, and
// back.
class Nat {
public:
    explicit Nat(std::uint16_t target);
    Nat(const Nat&) = delete;
    Nat& operator=(const Nat&) = delete;
    ~Nat();

    std::uint16_t port() const { return port_; }
    void change_port() { changes_.fetch_add(1); }  // what comes to the old one is lost from then on
    unsigned changed() const { return done_.load(); }
    std::vector<std::vector<std::byte>> passed();  // the first datagrams that went to `target`

private:
    void run();
    void keep(std::span<const std::byte> datagram);

    UniqueFd inside_, outside_;
    std::uint16_t port_{0}, target_{0};
    std::atomic<unsigned> changes_{0}, done_{0};
    std::atomic<bool> end_{false};
    std::mutex mutex_;                             // of passed_
    std::vector<std::vector<std::byte>> passed_;
    std::thread thread_;
};

}  // namespace weft::node
