// When text of a socket left and when it was acknowledged, told as SO_TIMESTAMPING of Linux tells it: by an error queue, of the last byte
// of each send. The stack itself has no such queue; what is asked here is how much of the send buffer is still there.
#pragma once

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>

#include "stack/core/time.h"
#include "stack/tcp/event.h"

namespace weft::drill {

class Stamps {
public:
    void want(std::uint32_t flags) {
        if (flags_ == 0) written_ = 0;  // SOF_TIMESTAMPING_OPT_ID counts from here
        flags_ = flags;
    }
    void written(std::size_t bytes, bool ends_a_send) {
        if (flags_ == 0) return;
        written_ += bytes;
        if (ends_a_send && bytes > 0) pending_.push_back({written_});
    }

    // After anything that may have moved text.
    void look(const Buffers& buffers, Instant now) {
        const std::uint64_t sent = written_ - std::min<std::uint64_t>(written_, buffers.unsent);
        const std::uint64_t acknowledged = written_ - std::min<std::uint64_t>(written_, buffers.unacknowledged);
        for (Pending& one : pending_)
            if (!one.sent && one.end <= sent) {
                one.sent = true;
                tell(SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED, one, now);
                tell(SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND, one, now);
            }
        while (!pending_.empty() && pending_.front().end <= acknowledged) {
            tell(SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK, pending_.front(), now);
            pending_.pop_front();
        }
    }

    // recvmsg() with MSG_ERRQUEUE.
    ssize_t take(msghdr& message) {
        if (ready_.empty()) {
            errno = EAGAIN;
            return -1;
        }
        const Ready one = ready_.front();
        ready_.pop_front();
        const std::int64_t ns = one.at.nanoseconds();
        const std::array<timespec, 3> times{timespec{ns / 1'000'000'000, ns % 1'000'000'000}};
        struct {
            sock_extended_err error{};
            sockaddr_in offender{};
        } report;
        report.error.ee_errno = ENOMSG;
        report.error.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
        report.error.ee_info = one.info;
        report.error.ee_data = one.key;
        std::size_t used = 0;
        add(message, used, SOL_SOCKET, SCM_TIMESTAMPING, &times, sizeof times);
        add(message, used, IPPROTO_IP, IP_RECVERR, &report, sizeof report);
        message.msg_controllen = used;
        message.msg_flags = MSG_ERRQUEUE | MSG_TRUNC;
        return 0;
    }

private:
    struct Pending {
        std::uint64_t end{0};  // bytes
        bool sent{false};
    };
    struct Ready {
        std::uint32_t info{0}, key{0};
        Instant at;
    };

    void tell(std::uint32_t flag, std::uint32_t info, const Pending& of, Instant now) {
        if (flags_ & flag) ready_.push_back({info, std::uint32_t(of.end - 1), now});
    }
    static void add(msghdr& message, std::size_t& used, int level, int type, const void* body, std::size_t size) {
        if (!message.msg_control || used + CMSG_SPACE(size) > message.msg_controllen) return;
        cmsghdr header{};
        header.cmsg_len = CMSG_LEN(size);
        header.cmsg_level = level;
        header.cmsg_type = type;
        auto* const at = static_cast<std::byte*>(message.msg_control) + used;
        std::memcpy(at, &header, sizeof header);
        std::memcpy(at + CMSG_LEN(0), body, size);
        used += CMSG_SPACE(size);
    }

    std::uint32_t flags_{0};
    std::uint64_t written_{0};
    std::deque<Pending> pending_;
    std::deque<Ready> ready_;
};

}  // namespace weft::drill
