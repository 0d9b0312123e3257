// Memory for keys: locked, guarded and wiped by libsodium; a Vault lends equal objects from pages of it, so that a
// handshake costs no system call once the pages are there.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::overlay {

// Chooses libsodium's code for this processor; cheap after the first call.
void crypto_ready();

// Throws std::bad_alloc. Aligned to 16 if `size` is a multiple of 16. Free with sodium_free.
void* secret_allocate(std::size_t size);

template <class T>
class Vault {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && alignof(T) <= 16);

public:
    explicit Vault(std::size_t per_page) : per_page_{per_page} {}
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;
    ~Vault() {
        for (void* page : pages_) sodium_free(page);
    }

    // Default-initialised.
    T* take() {
        if (free_.empty()) grow();
        T* object = free_.back();
        free_.pop_back();
        return ::new (object) T{};
    }

    void give(T* object) {
        if (!object) return;
        sodium_memzero(object, sizeof(T));
        free_.push_back(object);   // has room: grow() reserved it
    }

private:
    void grow() {
        pages_.reserve(pages_.size() + 1);
        free_.reserve((pages_.size() + 1) * per_page_);
        T* page = static_cast<T*>(secret_allocate((sizeof(T) * per_page_ + 15) / 16 * 16));
        pages_.push_back(page);
        for (std::size_t i = per_page_; i-- > 0;) free_.push_back(page + i);
    }

    std::size_t per_page_;
    std::vector<void*> pages_;
    std::vector<T*> free_;
};

// A borrowed object that goes back to its vault, wiped.
template <class T>
class Lent {
public:
    Lent() = default;
    explicit Lent(Vault<T>& vault) : vault_{&vault}, object_{vault.take()} {}
    Lent(Lent&& other) noexcept : vault_{other.vault_}, object_{std::exchange(other.object_, nullptr)} {}
    Lent& operator=(Lent&& other) noexcept {
        std::swap(vault_, other.vault_);
        std::swap(object_, other.object_);
        return *this;
    }
    ~Lent() {
        if (object_) vault_->give(object_);
    }

    T& operator*() const { return *object_; }
    T* operator->() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

private:
    Vault<T>* vault_{nullptr};
    T* object_{nullptr};
};

}  // namespace weft::overlay
