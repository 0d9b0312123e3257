// Where trace records go: a Sink is what engine and overlay write to. A record is made by plain stores where it will lie, in the
// free places of a Lane, or handed to a function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "stack/core/time.h"
#include "stack/core/trace.h"

namespace weft::trace {

// Free places one behind the other, for a writer that should not wait for anybody: whoever owns them learns later, and by the
// run, how many were filled.
struct Lane {
    Record* next{nullptr};
    Record* end{nullptr};
    // Called when there is no place left: makes more of them, and answers with one. Where there is no room for a record of this
    // type it counts that, and the place is one that nobody reads.
    Record* (*more)(Lane& lane, Type type){nullptr};

    // A place, to be filled before the next is asked for.
    Record& claim(Type type) {
        if (next != end) [[likely]]
            return *next++;
        return *more(*this, type);
    }
};

// A plain value without virtual calls: a class of events that is off costs one predictable branch.
struct Sink {
    std::uint32_t classes{0};  // bits of the types that are wanted
    void* context{nullptr};
    void (*write)(void* context, const Record& record){nullptr};
    Lane* lane{nullptr};
    std::uint32_t direct{0};  // of these, which go into the lane; write() takes the others

    bool wants(Type type) const { return (classes & bit(type)) != 0; }

    // Inline, so that the body's fields are stored where they belong, one by one: a body that is put together somewhere else
    // and copied from there costs three times as much, since the copy has to wait for the stores.
    template <class Body>
    [[gnu::always_inline]] void add(Instant now, std::uint32_t flow, Type type, const Body& body,
                                    std::uint16_t flags = 0) const {
        static_assert(sizeof(Body) <= sizeof Record::body && alignof(Body) <= alignof(Record) &&
                      std::has_unique_object_representations_v<Body>);
        if (!wants(type)) return;
        const bool in_place = (direct & bit(type)) != 0;
        Record elsewhere;
        Record& record = in_place ? lane->claim(type) : elsewhere;
        record.t_ns = now.nanoseconds();
        record.flow = flow;
        record.type = type;
        record.flags = flags;
        ::new (static_cast<void*>(record.body.data())) Body(body);
        if constexpr (sizeof body < sizeof record.body)
            std::memset(record.body.data() + sizeof body, 0, sizeof record.body - sizeof body);
        if (!in_place) write(context, record);
    }
};

}  // namespace weft::trace
