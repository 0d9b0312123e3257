// Reads through the section headers; every offset is checked against the file's end before it is used.
#include "plugins/host/elf.h"

#include <elf.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "plugins/abi/weft_plugin.h"

namespace weft::plugins {
namespace {

#if defined(__x86_64__)
constexpr unsigned our_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned our_machine = EM_AARCH64;
#else
constexpr unsigned our_machine = EM_NONE;
#endif
constexpr unsigned our_order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
constexpr std::string_view entry_name = "weft_plugin_entry_v";
constexpr std::size_t most_symbols = 1 << 20;

using Bytes = std::span<const std::byte>;

// The bytes may lie at any address: copied, not cast.
template <class T>
std::optional<T> at(Bytes file, std::uint64_t offset) {
    if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

std::optional<Bytes> part(Bytes file, std::uint64_t offset, std::uint64_t size) {
    if (offset > file.size() || file.size() - offset < size) return std::nullopt;
    return file.subspan(std::size_t(offset), std::size_t(size));
}

// A text of a string table, ended by zero; empty if it is not.
std::string_view text_at(Bytes table, std::uint64_t offset) {
    if (offset >= table.size()) return {};
    const char* begin = reinterpret_cast<const char*>(table.data()) + offset;
    const void* end = std::memchr(begin, 0, table.size() - std::size_t(offset));
    return end ? std::string_view(begin, std::size_t(static_cast<const char*>(end) - begin)) : std::string_view{};
}

ElfFault header_fault(Bytes file) {
    if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) return ElfFault::not_elf;
    if (unsigned(file[EI_CLASS]) != ELFCLASS64 || unsigned(file[EI_DATA]) != our_order) return ElfFault::other_machine;
    const auto header = at<Elf64_Ehdr>(file, 0);
    if (!header) return ElfFault::damaged;
    if (header->e_machine != our_machine) return ElfFault::other_machine;
    if (header->e_type != ET_DYN) return ElfFault::not_shared;
    return ElfFault::none;
}

struct Symbols {
    Bytes table, names;
};

// The dynamic symbols and their names.
std::optional<Symbols> dynamic_symbols(Bytes file, const Elf64_Ehdr& header, ElfFault& fault) {
    fault = ElfFault::damaged;
    if (header.e_shoff != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) return std::nullopt;
    for (unsigned i = 0; i < (header.e_shoff != 0 ? header.e_shnum : 0u); ++i) {
        const auto section = at<Elf64_Shdr>(file, header.e_shoff + std::uint64_t{i} * sizeof(Elf64_Shdr));
        if (!section) return std::nullopt;
        if (section->sh_type != SHT_DYNSYM) continue;
        if (section->sh_link >= header.e_shnum) return std::nullopt;
        const auto names = at<Elf64_Shdr>(file, header.e_shoff + std::uint64_t{section->sh_link} * sizeof(Elf64_Shdr));
        if (!names) return std::nullopt;
        const auto symbols = part(file, section->sh_offset, section->sh_size);
        const auto texts = part(file, names->sh_offset, names->sh_size);
        if (!symbols || !texts || symbols->size() / sizeof(Elf64_Sym) > most_symbols) return std::nullopt;
        return Symbols{*symbols, *texts};
    }
    fault = ElfFault::no_symbols;
    return std::nullopt;
}

// Whether the file asks to stay mapped for ever: DF_1_NODELETE in its dynamic section.
bool asks_to_stay(Bytes file, const Elf64_Ehdr& header) {
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        const auto section = at<Elf64_Shdr>(file, header.e_shoff + std::uint64_t{i} * sizeof(Elf64_Shdr));
        if (!section || section->sh_type != SHT_DYNAMIC) continue;
        const auto entries = part(file, section->sh_offset, section->sh_size);
        if (!entries) return true;  // the loader would follow what we cannot read
        for (std::uint64_t offset = 0; const auto entry = at<Elf64_Dyn>(*entries, offset); offset += sizeof(Elf64_Dyn)) {
            if (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NODELETE) != 0) return true;
            if (entry->d_tag == DT_NULL) break;
        }
    }
    return false;
}

}  // namespace

ElfReport read_elf(std::span<const std::byte> file) {
    if (const ElfFault fault = header_fault(file); fault != ElfFault::none) return {fault};
    ElfFault fault{};
    const auto symbols = dynamic_symbols(file, *at<Elf64_Ehdr>(file, 0), fault);
    if (!symbols) return {fault};
    bool ours = false, unique = false;
    std::uint32_t other = 0;
    for (std::uint64_t offset = 0; const auto symbol = at<Elf64_Sym>(symbols->table, offset); offset += sizeof(Elf64_Sym)) {
        if (symbol->st_shndx == SHN_UNDEF) continue;
        unique |= ELF64_ST_BIND(symbol->st_info) == STB_GNU_UNIQUE;
        std::string_view name = text_at(symbols->names, symbol->st_name);
        if (!name.starts_with(entry_name)) continue;
        name.remove_prefix(entry_name.size());
        std::uint32_t major = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), major);
        if (error != std::errc{} || end != name.data() + name.size()) continue;
        if (major == WEFT_PLUGIN_ABI_MAJOR) ours = true;
        else other = major;
    }
    if (!ours && other != 0) return {ElfFault::other_major, other};
    if (!ours) return {ElfFault::no_entry};
    if (unique || asks_to_stay(file, *at<Elf64_Ehdr>(file, 0))) return {ElfFault::stays_mapped};
    return {};
}

}  // namespace weft::plugins
