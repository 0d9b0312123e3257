// The C API's stack without I/O: how it is configured, and how packets and the time go in and come out.
#include "stack/api/c_stack.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "stack/core/address_text.h"
#include "stack/core/bytes.h"
#include "stack/tcp/tunables.h"
#include "stack/wire/cut.h"

using namespace weft;

namespace {

constexpr std::size_t default_memory = std::size_t{256} << 20, least_memory = std::size_t{1} << 20;
constexpr std::size_t most_bytes = 65'535;  // of a packet
constexpr std::size_t largest_batch = 16;   // transmits that are cut at a time

thread_local std::string why;

struct Local {
    Address address;
    PathOptions path;
};

struct Settings {
    Config config;
    std::size_t memory{default_memory};
    std::vector<Local> locals;
    PathOptions path;  // of the addresses that follow
    std::map<std::uint32_t, std::uint32_t> any_address;  // link behind which every address is ours -> its mtu
};

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

bool refuse(std::string reason) {
    why = std::move(reason);
    return false;
}

bool read_address(std::string_view value, Settings& settings) {
    PathOptions path = settings.path;
    const std::size_t slash = value.find('/');
    if (slash != std::string_view::npos) {
        const auto bits = number(value.substr(slash + 1));
        if (!bits || *bits > 255) return refuse("the prefix of an address is a number of bits, as in 10.0.0.1/24");
        path.prefix = std::uint8_t(*bits);
    }
    const auto address = parse_address(value.substr(0, slash));
    if (!address) return refuse("\"" + std::string(value) + "\" is no address: " + to_string(address.error()));
    if (path.prefix > address->bytes().size() * 8) return refuse("the prefix is longer than the address");
    settings.locals.push_back({*address, path});
    return true;
}

bool read_setting(std::string_view name, std::string_view value, Settings& settings) {
    if (name == "address") return read_address(value, settings);
    if (name == "link" || name == "mtu" || name == "memory") {
        const auto wanted = number(value);
        const std::uint64_t least = name == "mtu" ? 576 : name == "memory" ? least_memory : 0;
        const std::uint64_t most = name == "mtu" ? most_bytes : name == "memory" ? std::uint64_t{1} << 40 : 255;
        if (!wanted || *wanted < least || *wanted > most)
            return refuse(std::string(name) + " is a number from " + std::to_string(least) + " to " + std::to_string(most));
        if (name == "link") settings.path.link = std::uint32_t(*wanted);
        else if (name == "mtu") settings.path.mtu = std::uint32_t(*wanted);
        else settings.memory = std::size_t(*wanted);
        return true;
    }
    if (name == "any_address") {
        if (value != "on" && value != "off") return refuse("any_address is on or off");
        if (value == "on") settings.any_address[settings.path.link] = settings.path.mtu;
        else settings.any_address.erase(settings.path.link);
        return true;
    }
    if (const auto set = tcp::tune(settings.config, name, value); !set) return refuse(set.error());
    return true;
}

bool read_settings(std::string_view text, Settings& settings) {
    for (std::size_t line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view words = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        words = trimmed(words.substr(0, words.find('#')));
        if (words.empty()) continue;
        const std::size_t equal = words.find('=');
        std::string_view value = equal == std::string_view::npos ? std::string_view{} : trimmed(words.substr(equal + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        bool read = false;
        if (equal == std::string_view::npos || value.empty()) refuse("a line reads name = value");
        else read = read_setting(trimmed(words.substr(0, equal)), value, settings);
        if (!read) return refuse("line " + std::to_string(line) + ": " + why);
    }
    return true;
}

// Cuts what the engine wants to send next. False: it has nothing to say.
bool refill(weft_stack& s) {
    std::array<Transmit, largest_batch> batch;
    s.bytes.clear();
    s.out.clear();
    s.handed = 0;
    const std::size_t made = s.carrier->engine().transmit(batch, s.now());
    for (const Transmit& one : std::span{batch}.first(made)) {
        auto cut = wire::Cut::make(one);
        if (!cut) continue;
        while (cut->left() > 0) {
            const std::size_t at = s.bytes.size(), size = cut->next_size();
            s.bytes.resize(at + size);
            (void)cut->next(std::span{s.bytes}.subspan(at, size));
            s.out.push_back({at, size, one.link});
        }
    }
    return made > 0;
}

}  // namespace

namespace weft::api {

void explain(std::string reason) { why = std::move(reason); }

bool NoIo::flush(Hearer& hearer) {
    bool any = false;
    std::array<Event, 16> some;
    while (const std::size_t count = engine_.events(some, now_)) {
        any = true;
        for (const Event& event : std::span{some}.first(count)) hearer.hear(event);
    }
    return any;
}

}  // namespace weft::api

extern "C" {

int weft_abi(void) { return WEFT_ABI; }
const char* weft_why(void) { return why.c_str(); }

int weft_new(const char* config, const uint8_t seed[16], weft_stack** out) {
    if (!seed || !out) {
        why = seed ? "weft_new needs a place for the stack: out is NULL" : "weft_new needs a seed of 16 bytes: seed is NULL";
        return -EINVAL;
    }
    Settings settings;
    if (config && !read_settings(config, settings)) return -EINVAL;
    const auto* bytes = reinterpret_cast<const std::byte*>(seed);
    settings.config.seed[0] = load_little<std::uint64_t>(bytes);
    settings.config.seed[1] = load_little<std::uint64_t>(bytes + 8);
    auto made = std::make_unique<api::NoIo>(settings.config, settings.memory);
    api::NoIo* const carrier = made.get();
    auto stack = std::make_unique<weft_stack>(std::move(made),
                                              HashKey{settings.config.seed[0] ^ 0x706f'7274, settings.config.seed[1]});
    stack->without_io = carrier;
    for (const auto& [link, mtu] : settings.any_address)
        if (!carrier->engine().attach(link, {.mtu = mtu, .any_address = true}, stack->now())) {
            why = "link " + std::to_string(link) + " cannot bring every address";
            return -EINVAL;
        }
    for (const Local& local : settings.locals) {
        if (const auto assigned = carrier->engine().assign(local.address, local.path, stack->now()); !assigned) {
            why = to_string(local.address) + " cannot be an address of this host";
            return -EINVAL;
        }
        stack->addresses.push_back(local.address);
    }
    *out = stack.release();
    return 0;
}

// From within a function that was asked about a SYN it is put off until the call that asked ends.
void weft_free(weft_stack* stack) {
    if (!stack) return;
    const api::Entry entry{stack};
    stack->freed = true;
    stack->shard.end_waits(Error::aborted);
}

int weft_self(weft_stack* s, int family, weft_sockaddr* out) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    for (const Address& address : s->addresses) {
        if (family != WEFT_ANY && Family(family) != address.family()) continue;
        api::give({address, 0, 0}, out);
        return 0;
    }
    return -EADDRNOTAVAIL;
}

int weft_input(weft_stack* s, const weft_packet* packets, size_t count, weft_time now) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    if (!s->without_io) return -EOPNOTSUPP;
    s->without_io->at(now);
    std::array<Receive, 64> batch;
    std::size_t taken = 0;
    while (taken < count) {
        std::size_t fill = 0;
        for (; fill < batch.size() && taken < count; ++fill, ++taken) {
            const weft_packet& packet = packets[taken];
            Chunk* chunk = packet.length <= most_bytes ? s->carrier->pool().allocate(packet.length) : nullptr;
            if (!chunk) break;
            if (packet.length > 0) std::memcpy(chunk->data(), packet.data, packet.length);
            batch[fill] = {.link = packet.link, .frame = Slice{chunk, 0, std::uint32_t(packet.length)}};
        }
        s->carrier->engine().receive(std::span{batch}.first(fill), s->now());
        s->shard.flush();
        if (fill < batch.size()) break;
    }
    return int(taken);
}

int weft_output(weft_stack* s, weft_packet* out, size_t capacity, weft_time now) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    if (!s->without_io) return -EOPNOTSUPP;
    s->without_io->at(now);
    if (s->handed == s->out.size() && !refill(*s)) {
        s->shard.flush();
        return 0;
    }
    const std::size_t count = std::min(capacity, s->out.size() - s->handed);
    for (std::size_t i = 0; i < count; ++i) {
        const weft_stack::Out& one = s->out[s->handed + i];
        out[i] = {sizeof(weft_packet), one.link, s->bytes.data() + one.at, one.length};
    }
    s->handed += count;
    return int(count);
}

weft_time weft_deadline(weft_stack* s) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    const Instant next = s->carrier->deadline();
    return next == Instant::never() ? WEFT_NEVER : next.nanoseconds();
}

int weft_advance(weft_stack* s, weft_time now) {
    if (const api::Shard::Lock lock{s->shard}; !lock) return -EDEADLK;
    if (!s->without_io) (void)s->shard.turn();
    const api::Entry entry{s};
    if (!s->without_io) return 0;
    s->without_io->at(now);
    s->carrier->engine().advance(s->now());
    s->shard.flush();
    return 0;
}

int weft_event_fd(weft_stack* s) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    const int descriptor = s->shard.descriptor();
    return descriptor >= 0 ? descriptor : -EOPNOTSUPP;
}

int weft_parse(const char* text, weft_sockaddr* out) {
    if (!text || !out) return -EINVAL;
    const std::string_view whole{text};
    const std::size_t colon = whole.rfind(':');
    if (colon == std::string_view::npos) return -EINVAL;
    const auto port = number(whole.substr(colon + 1));
    if (!port || *port > 0xffff) return -EINVAL;
    std::string_view host = whole.substr(0, colon);
    Endpoint endpoint{{}, 0, std::uint16_t(*port)};
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    else if (host.find(':') != std::string_view::npos) return -EINVAL;
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
        const auto scope = number(host.substr(percent + 1));
        if (!scope || *scope > 0xffff'ffff) return -EINVAL;
        endpoint.scope = std::uint32_t(*scope);
        host = host.substr(0, percent);
    }
    if (host != "*" || bracketed) {
        const auto address = parse_address(host);
        if (!address) return -EINVAL;
        endpoint.address = *address;
    }
    api::give(endpoint, out);
    return 0;
}

int weft_format(const weft_sockaddr* address, char* out, size_t capacity) {
    if (!address || address->length > Address::max_size) return -EINVAL;
    const Endpoint endpoint = api::endpoint_of(*address);
    std::string text = "*:" + std::to_string(endpoint.port);
    if (endpoint.address.family() != Family::none) text = to_string(endpoint);
    if (text.size() >= capacity) return -ENOSPC;
    std::memcpy(out, text.c_str(), text.size() + 1);
    return int(text.size());
}
}
