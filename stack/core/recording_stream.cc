// Reading a recording as its bytes come: the event connection, a pipe, a file from its beginning.
#include <algorithm>

#include "stack/core/recording_format.h"

namespace weft::trace {

// How many bytes the part that begins with `bytes` has, as far as they tell.
std::expected<std::size_t, std::string> RecordingStream::wanted(Bytes bytes) const {
    if (!info_) {
        if (std::string why = format::may_begin(bytes); !why.empty()) return std::unexpected(std::move(why));
        return header_size;
    }
    if (ended_) return std::unexpected("bytes behind the end of the recording");
    if (bytes.size() < batch_head_size) return batch_head_size;
    const auto head = format::read_head(bytes);
    if (!head) return std::unexpected(head.error());
    return batch_head_size + head->length;
}

std::unexpected<std::string> RecordingStream::fail(std::string why) {
    failed_ = format::at_byte(offset_, why);
    pending_ = {};
    return std::unexpected(failed_);
}

std::expected<void, std::string> RecordingStream::feed(Bytes bytes, const Take& take) {
    if (!failed_.empty()) return std::unexpected(failed_);
    while (!bytes.empty()) {
        const auto size = wanted(pending_.empty() ? bytes : Bytes{pending_});
        if (!size) return fail(size.error());
        if (pending_.empty() && bytes.size() >= *size) {  // whole as it came: no copy
            if (auto taken = take_whole(bytes.first(*size), take); !taken) return taken;
            bytes = bytes.subspan(*size);
            continue;
        }
        const std::size_t more = std::min(*size - pending_.size(), bytes.size());
        pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + std::ptrdiff_t(more));
        bytes = bytes.subspan(more);
        const auto whole = wanted(pending_);
        if (!whole) return fail(whole.error());
        if (pending_.size() < *whole) continue;
        if (auto taken = take_whole(pending_, take); !taken) return taken;
        pending_.clear();
    }
    return {};
}

std::expected<void, std::string> RecordingStream::take_whole(Bytes whole, const Take& take) {
    if (!info_) {
        auto info = format::read_header(whole);
        if (!info) {
            failed_ = info.error();
            return std::unexpected(failed_);
        }
        info_ = std::move(*info);
    } else if (auto taken = take_batch(whole, take); !taken) {
        return taken;
    }
    offset_ += whole.size();
    return {};
}

std::expected<void, std::string> RecordingStream::take_batch(Bytes batch, const Take& take) {
    if (!format::is_whole(batch)) return fail("the checksum of a batch is wrong: bytes were lost or changed on the way");
    const auto head = format::read_head(batch);
    if (!head) return fail(head.error());
    const Bytes payload = batch.subspan(batch_head_size);
    switch (head->kind) {
    case BatchKind::records:
        began_ = true;
        take(format::records_in(payload, aligned_));
        break;
    case BatchKind::snapshot:
        if (!began_) take(format::records_in(payload, aligned_));
        break;
    case BatchKind::index: began_ = true; break;  // the first snapshot is over
    case BatchKind::end: ended_ = true; break;
    case BatchKind::payload: {
        const auto body = format::read_payload(*head, batch);
        if (!body) return fail("a batch of payload is shorter than it says");
        if (take_payload_) take_payload_(*body);
        break;
    }
    default: break;
    }
    return {};
}

}  // namespace weft::trace
