// TCP header and options: what is read can be written, and what was written reads the same.
#include "stack/wire/tcp.h"

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto view = TcpView::parse(fuzz::bytes_of(data, size));
    if (!view) return 0;
    FUZZ_CHECK(view->header_size() >= TcpView::min_size && view->header_size() <= TcpView::max_header);
    FUZZ_CHECK(view->header_size() + view->payload().size() == size);
    const auto read = TcpHeader::read(*view);
    FUZZ_CHECK(read.has_value() == view->options().has_value());
    if (!read) {
        FUZZ_CHECK(read.error() == Malformed::option);
        return 0;
    }
    std::array<std::byte, TcpView::max_header> out{};
    const std::size_t written = read->write(out);
    FUZZ_CHECK(written == read->size() && written % 4 == 0 && written >= TcpView::min_size);
    const auto again = TcpView::parse(Bytes{out}.first(written));
    FUZZ_CHECK(again && again->header_size() == written && again->payload().empty());
    const auto reread = TcpHeader::read(*again);
    FUZZ_CHECK(reread.has_value());
    // Our layout pads each group to words, so a sender's tightest packing may have held a SACK block more.
    TcpHeader expected = *read;
    FUZZ_CHECK(reread->options.sack_count <= expected.options.sack_count);
    for (std::size_t i = reread->options.sack_count; i < expected.options.sack.size(); ++i) expected.options.sack[i] = {};
    expected.options.sack_count = reread->options.sack_count;
    if (!reread->options.fast_open) expected.options.fast_open.reset();  // likewise
    if (!reread->options.accurate) expected.options.accurate.reset();
    FUZZ_CHECK(*reread == expected);
    return 0;
}
