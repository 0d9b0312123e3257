// A head of a request and what is in it: whatever comes is a request or a status; paths stay inside, ranges and dates in bounds.
#include <algorithm>

#include "node/http.h"
#include "tests/fuzz/fuzz.h"

using namespace weft::node::http;

namespace {

void check_path(std::string_view target) {
    const auto names = parse_path(target);
    if (!names) {
        FUZZ_CHECK(names.error() == Status::bad_request || names.error() == Status::not_found);
        return;
    }
    for (const std::string& name : names->names) {
        FUZZ_CHECK(!name.empty() && name != "." && name != "..");
        FUZZ_CHECK(!name.contains('/') && !name.contains('\0'));
    }
    const std::string written = format_path(*names);
    FUZZ_CHECK(std::ranges::all_of(written, [](char c) { return c > ' ' && c < 0x7f; }));
    const auto again = parse_path(written);
    FUZZ_CHECK(again && again->names == names->names);
}

void check_date(std::string_view text) {
    if (const auto date = parse_date(text, 1'700'000'000); date && *date >= 0)
        FUZZ_CHECK(parse_date(format_date(*date), 0) == date);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    const std::size_t length = head_length(bytes);
    FUZZ_CHECK(length <= size);
    for (const std::size_t from : {size / 2, size}) {
        if (from < length) FUZZ_CHECK(head_length(bytes, from) == length);
    }
    const auto request = parse_head(bytes.substr(0, length));
    if (!request) {
        FUZZ_CHECK(unsigned(request.error()) >= 400 && to_string(request.error()) != "Unknown");
        return 0;
    }
    FUZZ_CHECK(length > 0 && request->target.starts_with('/'));
    check_path(request->target);
    for (const std::uint64_t file : {std::uint64_t{0}, std::uint64_t{1'000}, std::uint64_t{1} << 40})
        if (const auto range = parse_range(request->range, file))
            FUZZ_CHECK(range->length <= file && range->first <= file - range->length);
    for (const std::string_view date : {request->if_modified_since, request->if_unmodified_since, request->if_range})
        check_date(date);
    (void)evaluate(*request, "\"a-b\"", 784'111'777, 1'700'000'000);
    (void)content_type(request->target);
    FUZZ_CHECK(escape_html(request->target).find('<') == std::string::npos);
    return 0;
}
