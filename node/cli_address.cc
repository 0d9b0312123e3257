// Which address a person means: by its own forms, by a peer's name, or by a short form that fits one known peer.
#include <algorithm>
#include <string>
#include <vector>

#include "node/cli_commands.h"
#include "node/suggest.h"
#include "stack/core/address_text.h"
#include "stack/core/lower_case.h"

namespace weft::node {
namespace {

bool meant_as_address(std::string_view operand) {
    const std::string folded = lower_case(operand);
    return (folded.starts_with("weft1") && folded.size() > 32) || folded.ends_with(".weft");
}

// Whatever of peer.list has an address: peers, and names of nodes that are none. Nobody twice.
template <class Visit>
void for_each_known(const Json& peers, Visit&& visit) {
    const Json& known = array_in(peers, "peers");
    for (const Json& peer : known) visit(peer);
    for (const Json& name : array_in(peers, "names")) {
        const std::string address = text_in(name, "address");
        const auto same = [&](const Json& peer) {
            return text_in(peer, "address") == address && text_in(peer, "name") == text_in(name, "name");
        };
        if (std::ranges::none_of(known, same)) visit(name);
    }
}

std::vector<const Json*> peers_by_short_form(const ShortForm& prefix, const Json& peers) {
    std::vector<const Json*> found;
    for_each_known(peers, [&](const Json& peer) {
        if (auto address = OverlayFamily::parse(text_in(peer, "address")); address && begins_with(*address, prefix))
            found.push_back(&peer);
    });
    return found;
}

std::expected<std::string, Problem> only(const std::vector<const Json*>& found, const Problem& none,
                                         std::string_view operand) {
    if (found.empty()) return std::unexpected(none);
    if (found.size() > 1)
        return std::unexpected(failure("ambiguous", printable(operand) + " fits " + std::to_string(found.size()) + " peers",
                                       "give the whole address: `weft peers --json` lists them"));
    return text_in(*found.front(), "address");
}

std::expected<std::string, Problem> by_name(std::string_view operand, const Json& peers) {
    std::vector<const Json*> found;
    std::vector<std::string> names;
    for_each_known(peers, [&](const Json& peer) {
        names.push_back(text_in(peer, "name"));
        if (!names.back().empty() && names.back() == operand) found.push_back(&peer);
    });
    std::erase(names, "");
    const std::string near = did_you_mean(operand, std::vector<std::string_view>(names.begin(), names.end()));
    return only(found,
                failure("unknown_address",
                        "\"" + printable(operand) + "\" is neither an address nor a name that the node knows" + near,
                        "`weft peers` shows the names; addresses begin with weft1"),
                operand);
}

}  // namespace

std::expected<std::string, Problem> parse_own_form(std::string_view operand) {
    auto address = OverlayFamily::parse(operand);
    if (!address)
        return std::unexpected(failure("bad_address", "this is not an address: " + to_string(address.error()),
                                       "copy it again whole: an address has 123 characters, and a checksum among them"));
    return OverlayFamily::format(*address);
}

std::expected<std::string, Problem> resolve_address(std::string_view operand, const Json& peers) {
    auto own = parse_own_form(operand);
    if (own || meant_as_address(operand)) return own;
    if (lower_case(operand).starts_with("weft:")) {
        auto prefix = parse_short_form(operand);
        if (!prefix)
            return std::unexpected(failure("bad_address", "this is not a short form: " + to_string(prefix.error()),
                                           "a short form is weft:xxxx-xxxx-xxxx-xxxx"));
        return only(peers_by_short_form(*prefix, peers),
                    failure("unknown_address", "no known peer's address begins with " + printable(operand),
                            "give the whole address"),
                    operand);
    }
    if (auto other = parse_address(operand)) return to_string(*other);  // the node may have a device that leads there
    return by_name(operand, peers);
}

std::string label_of(std::string_view address, const Json& peers) {
    std::string name;
    for_each_known(peers, [&](const Json& peer) {
        if (name.empty() && text_in(peer, "address") == address) name = text_in(peer, "name");
    });
    if (!name.empty()) return name;
    auto parsed = OverlayFamily::parse(address);
    return parsed ? format_short_form(*parsed) : std::string{address};
}

}  // namespace weft::node
