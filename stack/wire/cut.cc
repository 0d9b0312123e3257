// Cutting as the large send of a network device does it, in software.
#include "stack/wire/cut.h"

#include <algorithm>

#include "stack/core/checksum.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"

namespace weft::wire {
namespace {

// Where each version keeps what the cut looks at, in bytes from the network header's begin.
struct Layout {
    std::size_t header_size, length_at, protocol_at, addresses_at, addresses_size;
    std::size_t not_counted;  // bytes of the header that the length field leaves out
};

constexpr Layout ipv4{Ipv4View::min_size, Ipv4View::length_at, 9, 12, 8, 0};
constexpr Layout ipv6{Ipv6View::header_size, Ipv6View::length_at, 6, 8, 32, Ipv6View::header_size};
constexpr Layout overlay{OverlayView::header_size, OverlayView::length_at, 6, 8, 128, OverlayView::header_size};

const Layout* layout_of(unsigned version) {
    switch (version) {
    case 4: return &ipv4;
    case 6: return &ipv6;
    case 8: return &overlay;
    default: return nullptr;
    }
}

}  // namespace

void shape_segment(std::byte* tcp, std::size_t before, bool last, bool accurate_ecn) {
    std::uint16_t word = load_big<std::uint16_t>(tcp + TcpView::flags_at);
    if (before != 0 && !accurate_ecn) word &= std::uint16_t(~cwr);
    if (!last) word &= std::uint16_t(~(psh | fin));
    if (before != 0 && (word & urg) != 0) {
        const std::size_t pointer = load_big<std::uint16_t>(tcp + TcpView::urgent_at);
        if (pointer < before) word &= std::uint16_t(~urg);
        store_big(tcp + TcpView::urgent_at, std::uint16_t(pointer < before ? 0 : pointer - before));
    }
    store_big(tcp + TcpView::flags_at, word);
    store_big(tcp + TcpView::seq_at, load_big<std::uint32_t>(tcp + TcpView::seq_at) + std::uint32_t(before));
}

Parsed<Cut> Cut::make_complete(const Transmit& whole, Part part) {
    if (whole.header_length > whole.header.size() || whole.transport > whole.header_length)
        return std::unexpected(Malformed::length);
    Cut cut;
    cut.whole_ = &whole;
    cut.from_ = part == Part::packet ? 0 : whole.transport;
    for (const Slice& slice : whole.payload) cut.payload_left_ += slice.size();
    cut.segment_size_ = cut.payload_left_;
    if (cut.next_size() == 0) return std::unexpected(Malformed::length);
    return cut;
}

std::size_t Cut::copy_complete(MutableBytes out) {
    const std::size_t size = next_size();
    const Bytes header = Bytes{whole_->header}.first(whole_->header_length).subspan(from_);
    std::byte* at = std::copy(header.begin(), header.end(), out.data());
    for (const Slice& slice : whole_->payload) at = std::copy_n(slice.bytes().begin(), slice.size(), at);
    payload_left_ = 0;
    done_ = 1;
    return size;
}

Parsed<Cut> Cut::make(const Transmit& whole, Part part) {
    if (whole.complete) return make_complete(whole, part);
    const std::size_t network_at = whole.network;
    if (whole.header_length > whole.header.size() || whole.transport > whole.header_length || network_at >= whole.transport)
        return std::unexpected(Malformed::length);
    const Bytes network = Bytes{whole.header}.subspan(network_at, whole.transport - network_at);
    const Bytes tcp = Bytes{whole.header}.subspan(whole.transport, whole.header_length - whole.transport);
    Cut cut;
    cut.version_ = std::to_integer<std::uint8_t>(network[0] >> 4);
    const Layout* layout = layout_of(cut.version_);
    if (!layout) return std::unexpected(Malformed::version);
    if (network.size() < layout->header_size) return std::unexpected(Malformed::truncated);
    if (cut.version_ == 4 && std::to_integer<std::size_t>(network[0] & std::byte{0xf}) * 4 != network.size())
        return std::unexpected(Malformed::length);
    // Behind extension headers it is the last of them that says TCP; who wrote them knows.
    const bool extended = cut.version_ != 4 && network.size() != layout->header_size;
    if (!extended && network[layout->protocol_at] != std::byte{protocol_tcp}) return std::unexpected(Malformed::version);
    const auto view = TcpView::parse(tcp);
    if (!view) return std::unexpected(view.error());
    if (view->header_size() != tcp.size()) return std::unexpected(Malformed::length);

    cut.whole_ = &whole;
    cut.from_ = part == Part::packet ? 0 : whole.transport;
    cut.addresses_ = checksum::sum(network.subspan(layout->addresses_at, layout->addresses_size));
    for (const Slice& slice : whole.payload) cut.payload_left_ += slice.size();
    cut.segment_size_ = whole.segment_size != 0 ? whole.segment_size : cut.payload_left_;
    if (cut.payload_left_ > cut.segment_size_)
        cut.segments_ = (cut.payload_left_ + cut.segment_size_ - 1) / cut.segment_size_;
    const std::size_t counted = whole.header_length - network_at - layout->not_counted;
    if (counted + std::min(cut.segment_size_, cut.payload_left_) > 0xffff) return std::unexpected(Malformed::length);
    return cut;
}

std::size_t Cut::next_payload() const { return std::min(segment_size_, payload_left_); }

std::size_t Cut::next_size() const { return done_ == segments_ ? 0 : whole_->header_length - from_ + next_payload(); }

std::size_t Cut::next(MutableBytes out) {
    const std::size_t size = next_size(), payload = next_payload(), header = whole_->header_length - from_;
    if (size == 0 || out.size() < size) return 0;
    if (whole_->complete) return copy_complete(out);
    std::copy_n(whole_->header.begin() + std::ptrdiff_t(from_), header, out.begin());
    std::byte* tcp = out.data() + (whole_->transport - from_);
    if (from_ == 0) finish_network(out.data() + whole_->network, whole_->header_length - whole_->network + payload);
    shape_segment(tcp, done_ * segment_size_, done_ + 1 == segments_, whole_->accurate_ecn);
    store_big(tcp + TcpView::checksum_at, std::uint16_t{0});

    const MutableBytes text = out.subspan(header, payload);
    const std::uint16_t sum = copy_payload(text);
    const std::size_t tcp_header = whole_->header_length - whole_->transport;
    std::uint16_t field = 0;
    if (!whole_->sums_elided) {
        const std::uint16_t pseudo = pseudo_sum(addresses_, protocol_tcp, std::uint32_t(tcp_header + payload));
        field = checksum::field(checksum::add(checksum::add(pseudo, checksum::sum({tcp, tcp_header})), sum));
    }
    store_big(tcp + TcpView::checksum_at, field);
    payload_left_ -= payload;
    ++done_;
    return size;
}

// Moves on through the slices; returns the sum of what it copied, or 0 where nobody asks for it.
std::uint16_t Cut::copy_payload(MutableBytes out) {
    const bool known = segments_ == 1 && whole_->payload_summed;
    std::uint16_t sum = 0;
    for (std::size_t copied = 0; copied < out.size();) {
        const Bytes slice = whole_->payload[slice_].bytes().subspan(offset_);
        const Bytes piece = slice.first(std::min(slice.size(), out.size() - copied));
        if (known || whole_->sums_elided) std::copy(piece.begin(), piece.end(), out.begin() + std::ptrdiff_t(copied));
        else sum = checksum::append(sum, copied, checksum::copy_and_sum(out.data() + copied, piece));
        copied += piece.size();
        offset_ += std::uint32_t(piece.size());
        if (piece.size() == slice.size()) {
            ++slice_;
            offset_ = 0;
        }
    }
    return known ? whole_->payload_sum : sum;
}

// `length` is of the packet, network header included.
void Cut::finish_network(std::byte* header, std::size_t length) const {
    const Layout& layout = *layout_of(version_);
    store_big(header + layout.length_at, std::uint16_t(length - layout.not_counted));
    if (version_ != 4) return;
    store_big(header + Ipv4View::id_at, std::uint16_t(load_big<std::uint16_t>(header + Ipv4View::id_at) + done_));
    store_big(header + Ipv4View::checksum_at, std::uint16_t{0});
    const Bytes whole{header, std::size_t{whole_->transport} - whole_->network};
    store_big(header + Ipv4View::checksum_at, checksum::field(checksum::sum(whole)));
}

}  // namespace weft::wire
