#include "output/generation.hh"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/file_writer.hh"

namespace spiffe::output {

namespace {

constexpr int kIdAttempts = 16;

bool is_ours(const struct stat& st) {
  return st.st_uid == ::geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<Generation> make_generation(const Place& place) {
  for (int attempt = 1;; ++attempt) {
    Generation generation{.id = new_generation_id(), .directory = {}};
    const std::string name = place.names.generation(generation.id);
    auto made = make_directory(place.fd(), name);
    if (made) {
      generation.directory = std::move(*made);
      return generation;
    }
    // The clock advances, so the next id differs.
    if (made.error().sys == EEXIST && attempt < kIdAttempts) continue;
    // The error omits the id, so that it is the same at every try and is logged once.
    return place.directory.fail_at({}, made.error().message, made.error().sys);
  }
}

Result<void> fill(const Place& place, const Generation& generation, std::span<const Item> items,
                  std::span<const Ownership> ownerships) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto file = create_file(place, generation.directory.get(), items[i].leaf, items[i], ownerships[i]);
    if (!file) return fail(file.error());
    if (auto synced = sync_file(place, items[i], file->get()); !synced) return synced;
  }
  if (!place.directory.on_memory() && ::fsync(generation.directory.get()) != 0) {
    return place.directory.fail_at({}, "fsync", errno);
  }
  return {};
}

}  // namespace

Result<Generation> build_generation(const Place& place, std::span<const Item> items,
                                    std::span<const Ownership> ownerships) {
  auto generation = make_generation(place);
  if (!generation) return generation;
  if (auto filled = fill(place, *generation, items, ownerships); !filled) {
    discard_generation(place, *generation, items);
    return fail(filled.error());
  }
  return generation;
}

void discard_generation(const Place& place, const Generation& generation, std::span<const Item> items) {
  for (const Item& item : items) ::unlinkat(generation.directory.get(), item.leaf.c_str(), 0);
  ::unlinkat(place.fd(), place.names.generation(generation.id).c_str(), AT_REMOVEDIR);
}

Result<std::optional<std::string>> live_generation_id(const Place& place) {
  std::array<char, PATH_MAX> buffer;
  const std::string& data = place.names.data();
  const ssize_t n = ::readlinkat(place.fd(), data.c_str(), buffer.data(), buffer.size());
  if (n < 0 && errno == ENOENT) return std::nullopt;
  if (n < 0 && errno != EINVAL) return place.directory.fail_at(data, "readlink", errno);
  const std::string_view target(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (place.names.is_generation(target)) return place.names.id_of(target);
  return fail(ErrorKind::failed,
              "cannot write " + place.directory.path().shown(data) +
                  ": it does not lead to a generation of ours, so somebody else manages this directory",
              "choose another cert_dir, or layout = \"files\"");
}

std::optional<Generation> open_generation(const Place& place, const std::string& id) {
  const std::string name = place.names.generation(id);
  Fd fd(::openat(place.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st{};
  if (!fd || ::fstat(fd.get(), &st) != 0) return std::nullopt;
  const bool ours = is_ours(st);
  if (!ours && place.directory.others_could_plant()) return std::nullopt;
  return Generation{id, std::move(fd), ours};
}

void wake_watchers(const Generation& generation, std::span<const std::string> leaves) {
  // inotify(7) reports a new mtime alone as a modification (IN_MODIFY), which most libraries report, and a
  // change of both times as a change of attributes (IN_ATTRIB), which systemd's PathChanged= and most uses of
  // inotifywait wait for.
  constexpr std::array<timespec, 2> kModified = {timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}};
  for (const std::string& leaf : leaves) {
    // If this fails, watchers are notified 10 s later, by the deletion of the generation.
    ::utimensat(generation.directory.get(), leaf.c_str(), kModified.data(), AT_SYMLINK_NOFOLLOW);
    ::utimensat(generation.directory.get(), leaf.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
}

bool holds_exactly(const Generation& generation, std::span<const Item> items) {
  std::size_t entries = 0;
  if (!for_each_entry(generation.directory.get(), [&](std::string_view) { ++entries; })) return false;
  if (entries != items.size()) return false;
  return std::ranges::all_of(items, [&](const Item& item) {
    return holds(generation.directory.get(), item.leaf, item.file->content.bytes());
  });
}

}  // namespace spiffe::output
