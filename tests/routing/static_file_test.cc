// The static table as a file: what it says of itself, and that it decides as the one that is compiled in.
#include <dlfcn.h>

#include "tests/routing/router.h"

namespace weft::routing::test {
namespace {

TEST(StaticFile, HoldsTheSameModule) {
    void* file = ::dlopen(WEFT_BINARY_DIR "/plugins/static_router.so", RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(file, nullptr) << ::dlerror();
    using Entry = const weft_plugin* (*)(const weft_host*);
    const auto entry = reinterpret_cast<Entry>(::dlsym(file, "weft_plugin_entry_v1"));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(::dlsym(file, "_ZN4weft7routing12static_tableE"), nullptr) << "it exports its entry alone";
    const weft_plugin* plugin = entry(nullptr);
    ASSERT_NE(plugin, nullptr);
    EXPECT_STREQ(plugin->name, "static_router");
    ASSERT_EQ(plugin->count, 1u);
    const weft_module& module = *plugin->modules[0];
    EXPECT_EQ(module.kind, unsigned{WEFT_MODULE_ROUTING});
    EXPECT_STREQ(module.name, "static");
    EXPECT_STREQ(module.name, static_module.name);
    {
        Router router{routes({"db", "dc", "*e"}), *static_cast<const weft_router_v1*>(module.table)};
        ASSERT_TRUE(router.made());
        router.up("bce");
        EXPECT_EQ(router.next('d'), 'b');
        EXPECT_EQ(router.next('d', {.tried = "b"}), 'c');
        EXPECT_EQ(router.next('x'), 'e');
        EXPECT_EQ(router.next('s'), '.');
    }
    ::dlclose(file);
}

}  // namespace
}  // namespace weft::routing::test
