// Where the records of one host go: always into its digest, and, when somebody wants to see them, there too. It stays where it
// is: the engine that writes to it holds its address.
#pragma once

#include <cstdint>

#include "stack/core/digest.h"
#include "stack/core/trace_sink.h"

namespace weft::sim {

class Records {
public:
    Records() = default;
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;

    void digest_only(std::uint32_t classes) { digested_ = classes; }
    void also(const trace::Sink& sink) { other_ = sink; }  // an empty one: nobody any more
    const Digest& digest() const { return digest_; }

    trace::Sink sink() { return {digested_ | other_.classes, this, &Records::write}; }

private:
    static void write(void* context, const trace::Record& record) {
        auto& self = *static_cast<Records*>(context);
        if (self.digested_ & trace::bit(record.type)) self.digest_.add(record);
        if (self.other_.wants(record.type)) self.other_.write(self.other_.context, record);
    }

    Digest digest_;
    std::uint32_t digested_{trace::all};
    trace::Sink other_;
};

}  // namespace weft::sim
