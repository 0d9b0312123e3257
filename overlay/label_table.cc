// The labels of a node: slots given away and taken back, first in first out (docs/wire.md).
#include "overlay/label_table.h"

namespace weft::overlay {

namespace {

std::uint8_t following(std::uint8_t generation) {
    return generation == 255 ? std::uint8_t{1} : std::uint8_t(generation + 1);
}

}  // namespace

Label LabelTable::allocate(LinkNumber in_link, std::uint32_t path) {
    std::uint32_t index = first_free_;
    if (index != none) {
        first_free_ = at(index).path;
        if (first_free_ == none) last_free_ = none;
    } else {
        if (made_ == limit_) return 0;
        if (made_ % page_size == 0) pages_.push_back(std::make_unique<Page>());
        index = made_++;
    }
    LabelEntry& entry = at(index);
    const std::uint8_t generation = entry.generation;
    entry = {};
    entry.generation = generation;
    entry.flags = LabelEntry::used;
    entry.in_link = in_link;
    entry.path = path;
    ++size_;
    return make_label(index, generation);
}

void LabelTable::free(Label label) {
    LabelEntry* entry = find(label);
    if (!entry) return;
    const std::uint8_t generation = following(entry->generation);
    *entry = {};
    entry->generation = generation;
    entry->path = none;
    const std::uint32_t index = index_of(label);
    if (last_free_ == none) first_free_ = index;
    else at(last_free_).path = index;
    last_free_ = index;
    --size_;
}

Label LabelTable::move(Label label, LinkNumber in_link) {
    LabelEntry* entry = find(label);
    if (!entry) return 0;
    entry->generation = following(entry->generation);
    entry->in_link = in_link;
    return make_label(index_of(label), entry->generation);
}

}  // namespace weft::overlay
