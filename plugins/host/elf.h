// What the bytes of a file say about its being a plugin, read without mapping it for execution: opening a shared object runs
// what it has to say at once, so this comes first. ELF as in the System V ABI, chapters 4 and 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::plugins {

enum class ElfFault : std::uint8_t {
    none,
    not_elf,  // no shared object, of whatever machine
    other_machine,  // word size, byte order or instruction set
    not_shared,  // an object file or a program
    damaged,  // an offset or a size beyond the file
    no_symbols,  // no table of dynamic symbols: section headers are stripped
    no_entry,  // it defines no weft_plugin_entry_v*
    other_major,  // it defines one, of another major version: `major`
    stays_mapped  // a symbol unique in the process, or -z nodelete: dlclose would not unmap it
};

struct ElfReport {
    ElfFault fault{};
    std::uint32_t major{0};  // of other_major
};

ElfReport read_elf(std::span<const std::byte> file);

}  // namespace weft::plugins
