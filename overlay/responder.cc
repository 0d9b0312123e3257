// Cookies, rates and the half-open table (docs/wire.md).
#include "overlay/responder.h"

#include "overlay/hash.h"

namespace weft::overlay {
namespace {

Block<18> bytes_of(const UdpEndpoint& endpoint) {
    Block<18> out;
    append(out.data(), endpoint.ip);
    store_little(&out[16], endpoint.port);
    return out;
}

}  // namespace

bool is_ipv4(const UdpEndpoint& endpoint) {
    constexpr Block<12> prefix{{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}}};
    return std::equal(prefix.begin(), prefix.end(), endpoint.ip.begin());
}

std::uint64_t KeyedHash::operator()(Bytes bytes) const {
    Block<crypto_shorthash_BYTES> out;
    crypto_shorthash(raw(out.data()), raw(bytes.data()), bytes.size(), raw(key_.data()));
    return load_little<std::uint64_t>(out.data());
}

void CookieJar::rotate(Instant now) {
    if (known_ > 0 && now - since_ < period) return;
    const bool last_is_valid = known_ > 0 && now - since_ < period * 2;
    secrets_[1] = secrets_[0];
    entropy_(secrets_[0]);
    known_ = last_is_valid ? 2 : 1;
    since_ = now;
}

Block<16> CookieJar::make(const Block<32>& secret, const UdpEndpoint& source) {
    return keyed_hash<16>(context::none, secret, bytes_of(source));
}

Block<16> CookieJar::cookie(const UdpEndpoint& source, Instant now) {
    rotate(now);
    return make(secrets_[0], source);
}

bool CookieJar::mac2_holds(Bytes init, const UdpEndpoint& source, Instant now) {
    const Bytes mac2 = init.subspan(176, 16);
    if (std::all_of(mac2.begin(), mac2.end(), [](std::byte b) { return b == std::byte{0}; })) return false;  // has no cookie
    rotate(now);
    for (unsigned i = 0; i < known_; ++i)
        if (equal(Door::mac2(make(secrets_[i], source), init), mac2)) return true;
    return false;
}

bool InitMeter::over(const UdpEndpoint& source, const KeyedHash& hash, Instant now) {
    const Bytes network = Bytes{source.ip}.first(is_ipv4(source) ? 15 : 7);
    Place& place = places_[hash(network) % places_.size()];
    const std::int64_t second = now.nanoseconds() / 1'000'000'000;
    if (place.second != second) place = {second, 0};
    if (place.count > free_rate) return true;
    return ++place.count > free_rate;
}

HalfOpenTable::Key HalfOpenTable::key_of(const Way& source, Bytes init) {
    Key key;
    std::byte* at = append(key.bytes.data(), bytes_of(source.endpoint));
    store_little(at, source.path);
    append(at + 8, init.first(init_head));
    return key;
}

HalfOpen* HalfOpenTable::find(const Way& source, Bytes init) {
    const auto found = by_init_.find(key_of(source, init));
    return found == by_init_.end() ? nullptr : find(found->second);
}

HalfOpen* HalfOpenTable::find(std::uint64_t id) {
    const auto found = records_.find(id);
    return found == records_.end() ? nullptr : &found->second;
}

bool HalfOpenTable::same_site(const UdpEndpoint& a, const UdpEndpoint& b) {
    return std::equal(a.ip.begin(), a.ip.begin() + (is_ipv4(a) ? 16 : 8), b.ip.begin());
}

bool HalfOpenTable::admits(const Way& source, bool kept) const {
    if (source.labelled()) return size() - over_udp_ < limit;
    if (over_udp_ < cookie_above) return true;
    std::size_t same_ip = 0, same_source = 0;
    for (const auto& [id, record] : records_) {
        if (record.source.labelled()) continue;
        if (same_site(source.endpoint, record.source.endpoint)) ++same_ip;
        if (source == record.source) ++same_source;
    }
    if (kept && same_source == 0) return true;
    return over_udp_ < limit && same_ip < per_ip;
}

std::uint64_t HalfOpenTable::insert(HalfOpen record) {
    const std::uint64_t id = next_id_++;
    by_init_.insert_or_assign(key_of(record.source, record.head), id);
    over_udp_ += !record.source.labelled();
    records_.emplace(id, std::move(record));
    return id;
}

void HalfOpenTable::erase(std::uint64_t id) {
    const auto found = records_.find(id);
    if (found == records_.end()) return;
    by_init_.erase(key_of(found->second.source, found->second.head));
    over_udp_ -= !found->second.source.labelled();
    records_.erase(found);
}

std::uint64_t HalfOpenTable::expired(Instant now) const {
    if (records_.empty() || now < records_.begin()->second.created + lifetime) return 0;
    return records_.begin()->first;
}

Instant HalfOpenTable::deadline() const {
    return records_.empty() ? Instant::never() : records_.begin()->second.created + lifetime;
}

}  // namespace weft::overlay
