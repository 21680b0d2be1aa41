#include "output/cleaner.hh"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "output/generation.hh"
#include "output/leaf.hh"

namespace spiffe::output {

void remove_generation(const Place& place, const std::string& name, std::span<const std::string> leaves) {
  {
    const Fd fd(::openat(place.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      // Another program put a symlink or a file under our name: remove only the name.
      if (errno == ELOOP || errno == ENOTDIR) ::unlinkat(place.fd(), name.c_str(), 0);
      return;
    }
    for (const std::string& leaf : leaves) ::unlinkat(fd.get(), leaf.c_str(), 0);
    if (::unlinkat(place.fd(), name.c_str(), AT_REMOVEDIR) == 0) return;
    for (const std::string& leaf : leaves_of(fd.get())) ::unlinkat(fd.get(), leaf.c_str(), 0);
  }
  ::unlinkat(place.fd(), name.c_str(), AT_REMOVEDIR);
}

Result<void> sweep(const Place& place, const std::string& live) {
  std::vector<std::string> generations;
  std::vector<std::string> temporaries;
  auto listed = for_each_entry(place.fd(), [&](std::string_view name) {
    if (place.names.is_temporary(name)) temporaries.emplace_back(name);
    if (place.names.is_generation(name) && name != live) generations.emplace_back(name);
  });
  if (!listed) return place.directory.fail_at({}, listed.error().message, listed.error().sys);
  for (const std::string& name : temporaries) ::unlinkat(place.fd(), name.c_str(), 0);
  for (const std::string& name : generations) remove_generation(place, name, {});
  return {};
}

std::vector<std::string> leaves_of(int generation) {
  std::vector<std::string> names;
  if (!for_each_entry(generation, [&](std::string_view name) { names.emplace_back(name); })) return {};
  std::ranges::sort(names);
  return names;
}

void remove_links(const Place& place, std::span<const std::string> leaves,
                  std::span<const std::string> keep) {
  for (const std::string& leaf : leaves) {
    if (std::ranges::binary_search(keep, leaf)) continue;
    const auto found = look_at(place, leaf);
    if (found && found->kind == Leaf::Kind::our_link) ::unlinkat(place.fd(), leaf.c_str(), 0);
  }
}

bool remove_from_live(const Place& place, const std::string& leaf) {
  const auto live = live_generation_id(place);
  if (!live || !*live) return false;
  const auto generation = open_generation(place, **live);
  return generation && ::unlinkat(generation->directory.get(), leaf.c_str(), 0) == 0;
}

Result<void> retire_snapshot(const Place& place, std::span<const std::string> keep) {
  const auto live = live_generation_id(place);
  // Layouts without "..data" ignore one that is not ours.
  if (!live) return {};
  if (*live) {
    if (const auto generation = open_generation(place, **live)) {
      remove_links(place, leaves_of(generation->directory.get()), keep);
    }
    ::unlinkat(place.fd(), place.names.data().c_str(), 0);
  }
  return sweep(place, "");
}

}  // namespace spiffe::output
