// From bytes to code: memfd, seals, dlopen, the entry. A mapped file that is overwritten kills who runs it, and dlopen takes
// an inode that it knows for the same library: the private copy is proof against both.
#include "plugins/host/host.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace weft::plugins {
namespace {

constexpr std::size_t longest_line = 1'024;
constexpr const char* entry_symbol = "weft_plugin_entry_v1";
static_assert(WEFT_PLUGIN_ABI_MAJOR == 1);

std::unexpected<Problem> refused(std::string cause, std::string message) {
    return std::unexpected(Problem{std::move(cause), std::move(message)});
}

// A descriptor of a copy that nobody can change any more, or -1.
int sealed_copy(const File& file) {
    const int fd = ::memfd_create(file.name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    std::size_t written = 0;
    while (written < file.bytes.size()) {
        const ssize_t n = ::write(fd, file.bytes.data() + written, file.bytes.size() - written);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        written += std::size_t(n);
    }
    if (written == file.bytes.size() &&
        ::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return fd;
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

// What dlerror() says names the copy; a person knows the file.
std::string loader_says(const std::string& copy) {
    const char* said = ::dlerror();
    std::string text{said ? said : "no reason"};
    if (const std::size_t at = text.find(copy + ": "); at != std::string::npos) text.erase(at, copy.size() + 2);
    return text;
}

}  // namespace

Host::Host(HostConfig config) : config_{std::make_unique<HostConfig>(std::move(config))} {}

void Plugin::log(void* context, std::int32_t level, const char* utf8) {
    const auto& plugin = *static_cast<const Plugin*>(context);
    if (!utf8 || !plugin.config_->log) return;
    plugin.config_->log(std::clamp(level, 0, 7), plugin.name_, std::string_view(utf8, ::strnlen(utf8, longest_line)));
}

Plugin::~Plugin() {
    modules_.clear();
    if (handle_) {
        ::dlclose(handle_);
        // What stays all the same keeps its descriptor: under a number that came again the loader would take it for the next.
        if (void* still = ::dlopen(fmt::format("/proc/self/fd/{}", copy_).c_str(), RTLD_NOW | RTLD_NOLOAD)) {
            ::dlclose(still);
            if (config_->log)
                config_->log(4, name_, "stays mapped after it was closed: something in it is unique or thread-local");
            return;
        }
    }
    if (copy_ >= 0) ::close(copy_);
}

std::expected<std::unique_ptr<Plugin>, Problem> Host::open(const File& file, std::span<const Plugin* const> others) const {
    std::unique_ptr<Plugin> plugin{new Plugin(file)};
    plugin->config_ = config_.get();
    plugin->copy_ = sealed_copy(file);
    if (plugin->copy_ < 0)
        return refused("unreadable", fmt::format("{}: no private copy (memfd_create): {}", file.path, std::strerror(errno)));
    const std::string copy = fmt::format("/proc/self/fd/{}", plugin->copy_);
    plugin->handle_ = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!plugin->handle_)
        return refused("not_a_plugin",
                       fmt::format("{} cannot be opened: {}; link it with all that it uses, and only with what is "
                                   "on this machine",
                                   file.path, loader_says(copy)));
    using Entry = const weft_plugin* (*)(const weft_host*);
    const auto entry = reinterpret_cast<Entry>(::dlsym(plugin->handle_, entry_symbol));
    if (!entry) return refused("not_a_plugin", fmt::format("{}: {} is no function", file.path, entry_symbol));
    plugin->host_ = {sizeof plugin->host_, 0, plugin.get(), &Plugin::log};
    auto contents = read_tables(entry(&plugin->host_), file.path);
    if (!contents) return std::unexpected(contents.error());
    plugin->version_ = std::move(contents->version);
    plugin->license_ = std::move(contents->license);
    plugin->not_served_ = std::move(contents->not_served);

    for (Congestion& module : contents->congestion) {
        if (std::ranges::find(config_->reserved, module.name) != config_->reserved.end())
            return refused("duplicate", fmt::format("{}: its module {} has the name of one that is compiled in: rename it",
                                                    file.path, module.name));
        for (const Plugin* other : others)
            for (const Plugin::Module& known : other->modules())
                if (other->name() != file.name && known.contents.name == module.name)
                    return refused("duplicate",
                                   fmt::format("{}: its module {} has the name of one of {}: rename it, or unload {}",
                                               file.path, module.name, other->path(), other->name()));
        auto gate = Gate::open(module.table, config_->budget);
        if (!gate) return refused("too_many", fmt::format("{} modules are loaded already: unload some", most_gates));
        tcp::Module installable;
        installable.table = gate->table();
        std::ranges::copy(module.name, installable.name.begin());
        installable.file_hash = file.hash;
        plugin->modules_.push_back({std::move(module), std::move(*gate), std::move(installable)});
    }
    return plugin;
}

}  // namespace weft::plugins
