// A SAX reader that builds the value itself: the library's own builder has no bound on depth and keeps the last of two
// members of the same name in silence.
#include "node/json.h"
#include "node/json_library.h"

#include <vector>

#include <fmt/format.h>

template class nlohmann::basic_json<>;

namespace weft::node {
namespace {

class Builder final : public nlohmann::json_sax<Json> {
public:
    Builder(std::size_t size, std::size_t max_depth) : size_{size}, max_depth_{max_depth} {}

    Json root;
    JsonError failure;

    bool null() override { return put(nullptr); }
    bool boolean(bool value) override { return put(value); }
    bool number_integer(number_integer_t value) override { return put(value); }
    bool number_unsigned(number_unsigned_t value) override { return put(value); }
    bool number_float(number_float_t value, const string_t&) override { return put(value); }
    bool string(string_t& value) override { return put(std::move(value)); }
    bool binary(binary_t&) override { return fail("binary values are not JSON"); }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        if (stack_.back()->contains(name)) return fail(fmt::format("the member \"{}\" stands twice", name.substr(0, 64)));
        key_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        return fail(fmt::format("{} at byte {}", position > size_ ? "it ends too early," : "unexpected text", position));
    }

private:
    // A pointer into the tree stays good: an object's members are nodes of a map, and an array's last element grows only
    // when nothing below it is open.
    Json* place(Json value) {
        if (stack_.empty()) return &(root = std::move(value));
        Json& parent = *stack_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        return &(parent[std::move(key_)] = std::move(value));
    }
    bool put(Json value) { return place(std::move(value)) != nullptr; }
    bool open(Json value) {
        if (stack_.size() == max_depth_) {
            failure.too_deep = true;
            return fail(fmt::format("it is nested deeper than {} levels", max_depth_));
        }
        stack_.push_back(place(std::move(value)));
        return true;
    }
    bool close() {
        stack_.pop_back();
        return true;
    }
    bool fail(std::string message) {
        if (failure.message.empty()) failure.message = std::move(message);
        return false;
    }

    std::size_t size_, max_depth_;
    std::vector<Json*> stack_;
    std::string key_;
};

}  // namespace

std::expected<Json, JsonError> parse_json(std::string_view text, std::size_t max_depth) {
    Builder builder{text.size(), max_depth};
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) return std::unexpected(std::move(builder.failure));
    return std::move(builder.root);
}

std::string to_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace weft::node
