// One flow of the file server: a head is read, answered from the directory, and only then the next one is looked at.
#include "node/http_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "node/admission.h"
#include "node/log.h"
#include "stack/core/address_text.h"
#include "stack/tcp/tcb.h"

namespace weft::node {
namespace {

using http::Status;

constexpr std::size_t piece = 64 << 10;            // bytes of a file in one chunk
constexpr unsigned turns = 8;                      // pieces a turn
constexpr std::uint64_t most_content = 64 << 10;   // bytes of a request's content that are skipped, not refused

class HttpFlow;

// What the flows of one server share.
struct Server {
    Server(HttpConfig with, HttpSite of)
        : config{std::move(with)}, site{std::move(of)},
          admission{std::make_shared<Admission>(config.flows, config.flows_a_client)} {}

    const HttpConfig config;
    const HttpSite site;
    const std::shared_ptr<Admission> admission;
    std::set<std::pair<Instant, HttpFlow*>> idle;  // since when each waits for its next request
};

class HttpFlow final : public Service {
public:
    HttpFlow(Flow flow, const Endpoint& client, std::shared_ptr<Server> server, Instant now)
        : Service{flow}, client_{client}, server_{std::move(server)}, place_{server_->admission, client.address},
          deadline_{now + server_->config.head} {}
    ~HttpFlow() override { busy(); }

    const Address& client() const { return place_.client(); }

    // Its place is wanted: it is reset, and counts no more.
    void give_way() {
        busy();
        place_.leave();
        gives_way_ = true;
        wake();
    }

    Progress run(Engine& engine, BufferPool& pool, Instant now) override;
    void finish() override { finishing_ = true; }
    Instant deadline() const override { return deadline_; }

private:
    enum class Phase : std::uint8_t { reading, sending, draining, over };

    void idle(Instant now) { server_->idle.emplace(idle_since_ = now, this); }
    void busy() { server_->idle.erase({idle_since_, this}); }
    Progress step(Engine& engine, BufferPool& pool, Instant now);
    Progress expire(Engine& engine, Instant now);
    void watch_client(Instant now);
    Progress read(Engine& engine, Instant now);
    Progress send_answer(Engine& engine, BufferPool& pool, Instant now);
    Progress drain(Engine& engine, Instant now);
    bool fill(BufferPool& pool);
    Progress end_output(Engine& engine, Instant now);

    void take_request(Instant now);
    void answer(const http::Request& request);
    void answer_found(const http::Request& request, HttpSite::Found found);
    void refuse(Status status, std::string_view extra = {});
    void begin_answer(Status status, std::string_view fields, std::string_view type, std::uint64_t length);

    const Endpoint client_;
    const std::shared_ptr<Server> server_;
    Admission::Place place_;
    Instant idle_since_;
    bool gives_way_{false};
    Instant deadline_;
    Phase phase_{Phase::reading};
    bool finishing_{false};
    bool input_ended_{false};
    bool keep_{true};                         // another request may follow this one
    bool without_content_{false};             // HEAD

    std::array<char, http::most_head> input_; // [0, filled_): what came and was not used
    std::size_t filled_{0}, searched_{0};
    std::uint64_t skip_{0};                   // bytes of the last request's content that are still to come

    std::string text_;                        // of the answer: head, and page or message; [text_sent_, end)
    std::size_t text_sent_{0};
    UniqueFd file_;
    std::uint64_t file_at_{0}, file_left_{0}; // bytes
    bool cut_short_{false};                   // it has fewer bytes than its size said
    Slice staged_;
    SeqNum acked_;                            // by the client when it last took something
    Instant acked_at_;
    Status status_{};
    std::uint64_t content_{0};                // bytes, for the log
    std::string line_;                        // of the request, for the log
};

Service::Progress HttpFlow::run(Engine& engine, BufferPool& pool, Instant now) {
    if (over_) return Progress::ended;
    if (gives_way_) return Progress::aborted;
    if (deadline_ <= now) {
        if (const Progress expired = expire(engine, now); expired != Progress::more) return expired;
    }
    Progress progress = Progress::more;
    for (unsigned turn = 0; turn < turns && progress == Progress::more; ++turn) progress = step(engine, pool, now);
    return progress;
}

Service::Progress HttpFlow::step(Engine& engine, BufferPool& pool, Instant now) {
    switch (phase_) {
    case Phase::reading: return read(engine, now);
    case Phase::sending: return send_answer(engine, pool, now);
    case Phase::draining: return drain(engine, now);
    case Phase::over: break;
    }
    return Progress::waiting;   // for `closed`
}

// `more`: the flow goes on.
Service::Progress HttpFlow::expire(Engine& engine, Instant now) {
    if (phase_ == Phase::reading) {
        if (filled_ == 0) return end_output(engine, now);
        keep_ = without_content_ = false;
        refuse(Status::request_timeout);
        watch_client(now);
        return Progress::more;
    }
    const tcp::Tcb* tcb = engine.inspect(flow_);
    if (!tcb) return Progress::aborted;
    if (tcb->receiving.state == tcp::State::fin_wait_2) {   // it has all, and does not end: the engine waits alone
        (void)engine.shutdown(flow_, Engine::Direction::both, now);
        phase_ = Phase::over;
        deadline_ = Instant::never();
        return Progress::waiting;
    }
    if (std::exchange(acked_, tcb->sending.snd_una) != tcb->sending.snd_una) acked_at_ = now;
    if (now - acked_at_ >= server_->config.stall) return Progress::aborted;
    deadline_ = now + server_->config.linger;
    return Progress::more;
}

// From here on the client has to take what we send.
void HttpFlow::watch_client(Instant now) {
    acked_at_ = now;
    deadline_ = now + server_->config.linger;
}

Service::Progress HttpFlow::read(Engine& engine, Instant now) {
    if (skip_ > 0 && filled_ > 0) {
        const std::size_t skipped = std::size_t(std::min<std::uint64_t>(skip_, filled_));
        std::copy(input_.begin() + std::ptrdiff_t(skipped), input_.begin() + std::ptrdiff_t(filled_), input_.begin());
        filled_ -= skipped;
        skip_ -= skipped;
        if (skip_ == 0 && filled_ > 0) deadline_ = now + server_->config.head;
        if (skip_ == 0 && filled_ == 0) deadline_ = now + server_->config.idle, idle(now);
    }
    if (skip_ == 0 && filled_ > 0) take_request(now);
    if (phase_ != Phase::reading) return Progress::more;
    if (input_ended_ || (finishing_ && filled_ == 0)) return end_output(engine, now);
    if (!flow_readable_) return Progress::waiting;
    const auto count = Service::read(engine, std::as_writable_bytes(std::span(input_).subspan(filled_)), now);
    if (count && *count > 0) {
        if (filled_ == 0 && skip_ == 0) deadline_ = now + server_->config.head;  // content has one deadline for all of it
        busy();
        filled_ += *count;
        bytes_in_ += *count;
        return Progress::more;
    }
    flow_readable_ = false;
    if (count || count.error() != Error::end_of_stream) return Progress::waiting;
    input_ended_ = true;
    return Progress::more;
}

// If a whole head is there, it is answered and goes.
void HttpFlow::take_request(Instant now) {
    const std::string_view bytes{input_.data(), filled_};
    const std::size_t length = http::head_length(bytes, searched_);
    searched_ = length == 0 ? filled_ : 0;
    const bool full = length == 0 && filled_ == input_.size();
    const bool long_line = length == 0 && filled_ > http::most_line && bytes.find('\n') >= http::most_line;
    if (length == 0 && !full && !long_line) return;
    line_ = std::string{bytes.substr(0, std::min(bytes.find_first_of("\r\n"), std::size_t{200}))};
    keep_ = without_content_ = false;
    watch_client(now);
    if (length == 0) return refuse(long_line ? Status::uri_too_long : Status::fields_too_large);
    const auto request = http::parse_head(bytes.substr(0, length));
    if (request) answer(*request);
    else if (request.error() == Status::method_not_allowed) refuse(request.error(), "Allow: GET, HEAD\r\n");
    else refuse(request.error());
    std::copy(input_.begin() + std::ptrdiff_t(length), input_.begin() + std::ptrdiff_t(filled_), input_.begin());
    filled_ -= length;
}

void HttpFlow::answer(const http::Request& request) {
    without_content_ = request.head;
    if (request.chunked) return refuse(Status::length_required);
    if (request.content_length > most_content) return refuse(Status::content_too_large);
    skip_ = request.content_length;
    // Whether content follows that was announced by Expect and then answered, nobody can know: the connection ends.
    keep_ = request.keep_alive && !finishing_ && !(request.expects_continue && skip_ > 0);
    const auto names = http::parse_path(request.target);
    if (!names) return refuse(names.error());
    auto found = server_->site.find(*names);
    if (!found) return refuse(found.error());
    answer_found(request, std::move(*found));
}

void HttpFlow::answer_found(const http::Request& request, HttpSite::Found found) {
    if (!found.location.empty()) return refuse(Status::moved_permanently, fmt::format("Location: {}\r\n", found.location));
    if (!found.file) {
        begin_answer(Status::ok,
                     "Cache-Control: no-cache\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n",
                     found.type, found.page.size());
        if (!without_content_) text_ += found.page;
        return;
    }
    const std::int64_t clock = ::time(nullptr);
    Status status = http::evaluate(request, found.etag, found.modified, clock);
    std::string fields = fmt::format("Last-Modified: {}\r\nETag: {}\r\nAccept-Ranges: bytes\r\n",
                                     http::format_date(std::min(found.modified, clock)), found.etag);
    if (status == Status::precondition_failed) return refuse(status);
    http::Range range{0, found.size};
    if (status == Status::partial_content) {
        const auto wanted = http::parse_range(request.range, found.size);
        if (wanted && wanted->length == 0)
            return refuse(Status::range_not_satisfiable, fmt::format("Content-Range: bytes */{}\r\n", found.size));
        if (!wanted) status = Status::ok;
        else range = *wanted;
    }
    if (status == Status::partial_content)
        fields += fmt::format("Content-Range: bytes {}-{}/{}\r\n", range.first, range.first + range.length - 1, found.size);
    begin_answer(status, fields, found.type, range.length);
    if (without_content_ || status == Status::not_modified) return;
    file_ = std::move(found.file);
    file_at_ = range.first;
    file_left_ = range.length;
}

void HttpFlow::refuse(Status status, std::string_view extra) {
    const std::string message = fmt::format("{} {}\n", unsigned(status), http::to_string(status));
    begin_answer(status, extra, "text/plain; charset=utf-8", message.size());
    if (!without_content_) text_ += message;
}

void HttpFlow::begin_answer(Status status, std::string_view fields, std::string_view type, std::uint64_t length) {
    phase_ = Phase::sending;
    status_ = status;
    content_ = length;
    text_sent_ = 0;
    text_ = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nServer: weft\r\n{}", unsigned(status), http::to_string(status),
                        http::format_date(::time(nullptr)), fields);
    if (status != Status::not_modified)
        text_ += fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n", type, length);
    text_ += keep_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
}

// A chunk of what is still to be sent: the rest of the text, then of the file. False: none is free.
bool HttpFlow::fill(BufferPool& pool) {
    const std::size_t text = std::min(text_.size() - text_sent_, piece);
    const std::size_t wanted = std::min<std::uint64_t>(piece, text + file_left_);
    Chunk* chunk = pool.allocate(wanted);
    if (!chunk) return false;
    staged_ = Slice{chunk, 0, 0};
    std::memcpy(chunk->data(), text_.data() + text_sent_, text);
    text_sent_ += text;
    std::size_t filled = text;
    while (filled < wanted) {
        const ssize_t got = ::pread(file_.get(), chunk->data() + filled, wanted - filled, off_t(file_at_));
        if (got < 0 && errno == EINTR) continue;
        cut_short_ = got <= 0;
        if (cut_short_) break;
        filled += std::size_t(got);
        file_at_ += std::uint64_t(got);
        file_left_ -= std::uint64_t(got);
    }
    staged_ = Slice{chunk, 0, std::uint32_t(filled)};
    return true;
}

Service::Progress HttpFlow::send_answer(Engine& engine, BufferPool& pool, Instant now) {
    if (staged_.size() == 0 && (text_sent_ < text_.size() || file_left_ > 0)) {
        if (!fill(pool)) return Progress::starved;
        if (cut_short_) {  // its length was promised
            log(LogLevel::warning, "http", fmt::format("a file lacks {} bytes while it is sent: {}", file_left_, line_));
            return Progress::aborted;
        }
    }
    if (const Progress sent = send(engine, staged_, now); sent != Progress::more) return sent;
    if (text_sent_ < text_.size() || file_left_ > 0) return Progress::more;
    if (log_wanted(LogLevel::debug))
        log(LogLevel::debug, "http", fmt::format("{} \"{}\" {} {}", to_string(client_), line_, unsigned(status_), content_));
    file_.reset();
    text_ = {};
    if (!keep_ || finishing_) return end_output(engine, now);
    phase_ = Phase::reading;
    const bool rest = filled_ > 0 || skip_ > 0;
    deadline_ = now + (rest ? server_->config.head : server_->config.idle);
    if (!rest) idle(now);
    return Progress::more;
}

// Our FIN; what the client still sends is read, so that no reset overtakes the answer (RFC 9112, 9.6).
Service::Progress HttpFlow::end_output(Engine& engine, Instant now) {
    (void)engine.shutdown(flow_, Engine::Direction::write, now);
    busy();
    phase_ = Phase::draining;
    filled_ = 0;
    watch_client(now);
    return Progress::more;
}

Service::Progress HttpFlow::drain(Engine& engine, Instant now) {
    if (!flow_readable_ && !input_ended_) return Progress::waiting;
    std::array<Slice, 32> taken;
    const auto count = Service::take(engine, taken, now);
    if (count && *count > 0) {
        for (const Slice& slice : std::span(taken).first(*count)) bytes_in_ += slice.size();
        return Progress::more;
    }
    flow_readable_ = false;
    if (!count && count.error() == Error::would_block) return Progress::waiting;
    phase_ = Phase::over;
    deadline_ = Instant::never();
    return Progress::waiting;
}

// Whoever waits longest for its next request gives way to a new flow: of all, or of the client that has its share.
bool make_room(Server& server, const Address& address) {
    const bool share = server.admission->full_for(address);
    if (!share && !server.admission->full()) return true;
    const Address client = Admission::client_of(address);
    const auto longest =
        std::ranges::find_if(server.idle, [&](const auto& waiting) { return !share || waiting.second->client() == client; });
    if (longest == server.idle.end()) return false;
    longest->second->give_way();
    return true;
}

}  // namespace

std::expected<ServiceFactory, std::string> http_service(const HttpConfig& config) {
    auto site = HttpSite::open(config.directory, config.lookup);
    if (!site) return std::unexpected(site.error());
    const auto server = std::make_shared<Server>(config, std::move(*site));
    return [server](Flow flow, const Peers& peers, Instant now) -> std::unique_ptr<Service> {
        if (!make_room(*server, peers.remote.address)) return nullptr;
        return std::make_unique<HttpFlow>(flow, peers.remote, server, now);
    };
}

}  // namespace weft::node
