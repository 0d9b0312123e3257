// What packetdrill asks of a stack that it is to judge as a shared object: one function that fills a table of functions. The
// order of the fields is the contract; each function answers -1 and sets errno when it fails.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>

extern "C" {

struct packetdrill_interface {
    void* userdata;
    void (*free)(void* userdata);

    int (*socket)(void* userdata, int domain, int type, int protocol);
    int (*bind)(void* userdata, int fd, const sockaddr* address, socklen_t length);
    int (*listen)(void* userdata, int fd, int backlog);
    int (*accept)(void* userdata, int fd, sockaddr* address, socklen_t* length);
    int (*connect)(void* userdata, int fd, const sockaddr* address, socklen_t length);

    ssize_t (*read)(void* userdata, int fd, void* buffer, std::size_t count);
    ssize_t (*readv)(void* userdata, int fd, const iovec* parts, int count);
    ssize_t (*recv)(void* userdata, int fd, void* buffer, std::size_t count, int flags);
    ssize_t (*recvfrom)(void* userdata, int fd, void* buffer, std::size_t count, int flags, sockaddr* from,
                        socklen_t* length);
    ssize_t (*recvmsg)(void* userdata, int fd, msghdr* message, int flags);
    ssize_t (*write)(void* userdata, int fd, const void* buffer, std::size_t count);
    ssize_t (*writev)(void* userdata, int fd, const iovec* parts, int count);
    ssize_t (*send)(void* userdata, int fd, const void* buffer, std::size_t count, int flags);
    ssize_t (*sendto)(void* userdata, int fd, const void* buffer, std::size_t count, int flags, const sockaddr* to,
                      socklen_t length);
    ssize_t (*sendmsg)(void* userdata, int fd, const msghdr* message, int flags);

    int (*fcntl)(void* userdata, int fd, int command, ...);
    int (*ioctl)(void* userdata, int fd, unsigned long request, ...);
    int (*close)(void* userdata, int fd);
    int (*shutdown)(void* userdata, int fd, int how);
    int (*getsockopt)(void* userdata, int fd, int level, int name, void* value, socklen_t* length);
    int (*setsockopt)(void* userdata, int fd, int level, int name, const void* value, socklen_t length);
    int (*poll)(void* userdata, pollfd* fds, nfds_t count, int timeout);

    // A packet from the IP header on, into the stack; and the next one out of it: *count is the buffer's size, then the packet's.
    int (*netdev_send)(void* userdata, const void* packet, std::size_t count);
    int (*netdev_receive)(void* userdata, void* packet, std::size_t* count, long long* time_usecs);

    int (*usleep)(void* userdata, useconds_t usec);
    int (*gettimeofday)(void* userdata, timeval* time, struct timezone* zone);

    int (*epoll_create)(void* userdata, int size);
    int (*epoll_ctl)(void* userdata, int epoll, int operation, int fd, epoll_event* event);
    int (*epoll_wait)(void* userdata, int epoll, epoll_event* events, int most, int timeout);
    int (*pipe)(void* userdata, int fds[2]);
    int (*splice)(void* userdata, int from, loff_t* from_offset, int to, loff_t* to_offset, std::size_t count,
                  unsigned int flags);
};

[[gnu::visibility("default")]] void packetdrill_interface_init(const char* flags, packetdrill_interface* table);
}
