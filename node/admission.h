// How many flows a service has, all together and of each client, so that nobody takes all the places.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include "stack/core/address.h"

namespace weft::node {

class Admission {
public:
    Admission(std::size_t flows, std::size_t flows_a_client) : most_{flows}, most_a_client_{flows_a_client} {}

    // Who is counted as one: an address, of IPv6 its network of 64 bits.
    static Address client_of(const Address& address) {
        if (address.family() != Family::ipv6) return address;
        std::array<std::byte, 16> bytes{};
        std::copy_n(address.bytes().begin(), 8, bytes.begin());
        return {Family::ipv6, bytes};
    }

    bool full() const { return flows_ >= most_; }
    bool full_for(const Address& client) const {
        const auto known = clients_.find(client_of(client));
        return known != clients_.end() && known->second >= most_a_client_;
    }

    // A place, until it is destroyed.
    class Place {
    public:
        Place(std::shared_ptr<Admission> of, const Address& address) : of_{std::move(of)}, client_{client_of(address)} {
            ++of_->flows_;
            ++of_->clients_[client_];
        }
        ~Place() { leave(); }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        void leave() {
            const auto of = std::exchange(of_, nullptr);
            if (!of) return;
            --of->flows_;
            const auto entry = of->clients_.find(client_);
            if (--entry->second == 0) of->clients_.erase(entry);
        }
        const Address& client() const { return client_; }

    private:
        std::shared_ptr<Admission> of_;
        Address client_;
    };

private:
    std::size_t most_, most_a_client_, flows_{0};
    std::map<Address, std::size_t> clients_;
};

}  // namespace weft::node
