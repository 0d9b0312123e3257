// C++ over weft_plugin.h, header only: the C table of a congestion module is made from a class at compile time. A module that is
// compiled into the engine and the same module in a file of its own come from one class.
//
//     struct Fixed {
//         uint64_t window{20'000};                                           // a parameter: bytes
//         void begin(weft_cc_control& out) { out.cwnd = window; }            // required, as are the next two
//         void on_ack(const weft_cc_ack&, weft_cc_control&) {}
//         void on_congestion(const weft_cc_congestion&, weft_cc_control&) {}
//     };
//     template <>
//     struct weft::plugin::Fields<Fixed> {
//         static constexpr weft_field parameters[]{
//             WEFT_PARAMETER(Fixed, window, "bytes", "the window", 20'000, 1'000, 1 << 30)};
//     };
//     WEFT_PLUGIN("fixed", "1", "MIT", weft::plugin::congestion<Fixed>("fixed", "a window that never moves"))
//
// Optional: on_sent, on_idle, on_timer, on_path, on_parameter with the events of the C table; `static bool migrate(uint32_t
// from_version, const void* old_state, uint32_t old_size, T& fresh)`; constants `flags` and `state_version`.
#ifndef WEFT_PLUGIN_HPP
#define WEFT_PLUGIN_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "plugins/abi/weft_plugin.h"

namespace weft::plugin {

// What a class says of its fields, by specialisation: `parameters` and `variables`, arrays of weft_field.
template <class T>
struct Fields {};

// A class that can be a module: plain bytes, as large as a flow's state may be.
template <class T>
concept Congestion = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && alignof(T) <= 16 &&
                     sizeof(T) <= WEFT_CC_STATE_MAX &&
                     requires(T& module, const weft_cc_ack& ack, const weft_cc_congestion& event, weft_cc_control& out) {
                         module.begin(out);
                         module.on_ack(ack, out);
                         module.on_congestion(event, out);
                     };

template <class Member>
consteval std::uint16_t type_of() {
    using T = std::remove_cv_t<Member>;
    if constexpr (std::is_same_v<T, double>) return WEFT_TYPE_F64;
    else if constexpr (std::is_same_v<T, std::int64_t>) return WEFT_TYPE_I64;
    else if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8) return WEFT_TYPE_U64;
    else if constexpr (std::is_unsigned_v<T> && sizeof(T) == 4) return WEFT_TYPE_U32;
    else {
        static_assert(std::is_unsigned_v<T> && sizeof(T) == 1, "a field is an unsigned integer of 1, 4 or 8 bytes, an int64_t, "
                                                               "a bool or a double");
        return WEFT_TYPE_U8;
    }
}

template <class Number>
constexpr weft_value value(Number number) {
    weft_value v{};
    if constexpr (std::is_floating_point_v<Number>) v.real = number;
    else v.integer = static_cast<std::int64_t>(number);
    return v;
}

template <class Member>
constexpr weft_value value_as(auto number) {
    return value(static_cast<std::conditional_t<std::is_same_v<std::remove_cv_t<Member>, double>, double, std::int64_t>>(number));
}

#define WEFT_VARIABLE(T, member, kind_, unit_, doc_) \
    weft_field { \
        #member, unit_, doc_, static_cast<std::uint32_t>(offsetof(T, member)), \
            ::weft::plugin::type_of<decltype(T::member)>(), kind_, {}, {}, {}, nullptr \
    }
// Of a time: type_ is WEFT_TYPE_INSTANT or WEFT_TYPE_DURATION, the member an int64_t of ns.
#define WEFT_TIME_VARIABLE(T, member, type_, doc_) \
    weft_field { \
        #member, "ns", doc_, static_cast<std::uint32_t>(offsetof(T, member)), type_, WEFT_KIND_GAUGE, {}, {}, {}, nullptr \
    }
#define WEFT_PARAMETER(T, member, unit_, doc_, initial_, lowest_, highest_) \
    weft_field { \
        #member, unit_, doc_, static_cast<std::uint32_t>(offsetof(T, member)), \
            ::weft::plugin::type_of<decltype(T::member)>(), WEFT_KIND_GAUGE, \
            ::weft::plugin::value_as<decltype(T::member)>(initial_), ::weft::plugin::value_as<decltype(T::member)>(lowest_), \
            ::weft::plugin::value_as<decltype(T::member)>(highest_), nullptr \
    }

template <class T>
constexpr weft_fields parameters_of() {
    if constexpr (requires { Fields<T>::parameters[0]; })
        return {Fields<T>::parameters, sizeof Fields<T>::parameters / sizeof(weft_field), sizeof(weft_field)};
    else return {nullptr, 0, sizeof(weft_field)};
}

template <class T>
constexpr weft_fields variables_of() {
    if constexpr (requires { Fields<T>::variables[0]; })
        return {Fields<T>::variables, sizeof Fields<T>::variables / sizeof(weft_field), sizeof(weft_field)};
    else return {nullptr, 0, sizeof(weft_field)};
}

constexpr std::uint32_t width_of(const weft_field& field) {
    return field.type == WEFT_TYPE_U8 ? 1 : field.type == WEFT_TYPE_U32 ? 4 : 8;
}

// The lent bytes become a T as the class has it, with the parameters that the host wrote.
template <Congestion T>
T& begin_at(void* state) {
    T fresh{};
    const weft_fields fields = parameters_of<T>();
    for (std::uint32_t i = 0; i < fields.count; ++i) {
        const weft_field& field = fields.at[i];
        __builtin_memcpy(reinterpret_cast<char*>(&fresh) + field.offset, static_cast<const char*>(state) + field.offset,
                         width_of(field));
    }
    __builtin_memcpy(state, &fresh, sizeof fresh);
    return *static_cast<T*>(state);
}

template <Congestion T>
constexpr weft_cc_v1 make_congestion_table() {
    weft_cc_v1 table{};
    table.size = sizeof table;
    if constexpr (requires { T::flags; }) table.flags = T::flags;
    table.state_size = sizeof(T);
    table.state_version = 1;
    if constexpr (requires { T::state_version; }) table.state_version = T::state_version;
    table.parameters = parameters_of<T>();
    table.variables = variables_of<T>();
    table.init = [](void* state, void*, weft_instant, std::uint64_t, weft_cc_control* out) { begin_at<T>(state).begin(*out); };
    table.on_ack = [](void* state, void*, const weft_cc_ack* ack, weft_cc_control* out) {
        static_cast<T*>(state)->on_ack(*ack, *out);
    };
    table.on_congestion = [](void* state, void*, const weft_cc_congestion* event, weft_cc_control* out) {
        static_cast<T*>(state)->on_congestion(*event, *out);
    };
    if constexpr (requires(T& t, const weft_cc_sent& sent, weft_cc_control& out) { t.on_sent(sent, out); })
        table.on_sent = [](void* state, void*, const weft_cc_sent* sent, weft_cc_control* out) {
            static_cast<T*>(state)->on_sent(*sent, *out);
        };
    if constexpr (requires(T& t, const weft_cc_idle& idle, weft_cc_control& out) { t.on_idle(idle, out); })
        table.on_idle = [](void* state, void*, const weft_cc_idle* idle, weft_cc_control* out) {
            static_cast<T*>(state)->on_idle(*idle, *out);
        };
    if constexpr (requires(T& t, weft_cc_control& out) { t.on_timer(weft_instant{}, std::uint64_t{}, out); })
        table.on_timer = [](void* state, void*, weft_instant now, std::uint64_t random, weft_cc_control* out) {
            static_cast<T*>(state)->on_timer(now, random, *out);
        };
    if constexpr (requires(T& t, const weft_cc_path& path, weft_cc_control& out) { t.on_path(path, out); })
        table.on_path = [](void* state, void*, const weft_cc_path* path, weft_cc_control* out) {
            static_cast<T*>(state)->on_path(*path, *out);
        };
    if constexpr (requires(T& t, weft_cc_control& out) { t.on_parameter(std::uint32_t{}, out); })
        table.on_parameter = [](void* state, void*, std::uint32_t index, weft_cc_control* out) {
            static_cast<T*>(state)->on_parameter(index, *out);
        };
    if constexpr (requires(T& t) { T::migrate(std::uint32_t{}, static_cast<const void*>(nullptr), std::uint32_t{}, t); })
        table.migrate = [](std::uint32_t version, const void* old_state, std::uint32_t old_size, void* state) -> std::int32_t {
            return T::migrate(version, old_state, old_size, begin_at<T>(state)) ? 1 : 0;
        };
    return table;
}

template <Congestion T>
inline constexpr weft_cc_v1 congestion_table = make_congestion_table<T>();

// An entry of WEFT_PLUGIN's list.
template <Congestion T>
constexpr weft_module congestion(const char* name, const char* doc) {
    return {sizeof(weft_module), WEFT_MODULE_CONGESTION, name, doc, &congestion_table<T>};
}

}  // namespace weft::plugin

// The entry point of a file with one or more modules.
#define WEFT_PLUGIN(name_, version_, license_, ...) \
    extern "C" WEFT_EXPORT const weft_plugin* weft_plugin_entry_v1(const weft_host*) { \
        static constexpr weft_module modules[]{__VA_ARGS__}; \
        constexpr std::uint32_t count = sizeof modules / sizeof *modules; \
        struct List { \
            const weft_module* at[count]; \
        }; \
        static constexpr List list = [] { \
            List all{}; \
            for (std::uint32_t i = 0; i < count; ++i) all.at[i] = &modules[i]; \
            return all; \
        }(); \
        static constexpr weft_plugin self{sizeof(weft_plugin), 0, name_, version_, license_, list.at, count, 0}; \
        return &self; \
    }

#endif
