#include "output/replace.hh"

#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/file_writer.hh"
#include "output/in_place_file.hh"

namespace spiffe::output {

namespace {

// If the leaf is a link of our snapshot layout, the file behind it is the one that is really replaced.
Ownership owner_of_next(const Place& place, const Item& item, const Leaf& found) {
  if (found.kind == Leaf::Kind::file) return decide_owner(place, item, &found.st);
  struct stat st{};
  const bool behind_link = found.kind == Leaf::Kind::our_link &&
                           ::fstatat(place.fd(), item.leaf.c_str(), &st, 0) == 0 && S_ISREG(st.st_mode);
  return decide_owner(place, item, behind_link ? &st : nullptr);
}

}  // namespace

bool cannot_be_renamed(int code) {
  return code == EBUSY || code == EXDEV;
}

Result<Replacement> Replacement::prepare(Place& place, std::span<const Item> items) {
  Replacement self(place, items);
  for (const Item& item : items) {
    auto leaf = look_at(place, item.leaf);
    if (!leaf) return fail(leaf.error());
    self.found_.push_back(*leaf);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto added = self.temporaries_.add_file(items[i], owner_of_next(place, items[i], self.found_[i]));
    if (!added) return fail(added.error());
  }
  return self;
}

Result<void> Replacement::commit() {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const std::string& leaf = items_[i].leaf;
    const int code = temporaries_.rename_next(leaf);
    if (code == 0) {
      warn_of_replacing(*place_, leaf, found_[i]);
      continue;
    }
    if (!cannot_be_renamed(code)) return fail_to_rename(*place_, leaf, code);
    temporaries_.drop_next();
    if (auto written = write_mounted(*place_, items_[i]); !written) return fail(written.error());
  }
  return place_->directory.sync();
}

Result<void> replace_files(Place& place, std::span<const Item> items) {
  auto replacement = Replacement::prepare(place, items);
  return replacement ? replacement->commit() : fail(replacement.error());
}

Result<bool> write_mounted(const Place& place, const Item& item) {
  place.notices->warn("written_in_place", place.directory.path().shown(item.leaf),
                      "something is mounted on it, so it is written in place: readers may see half a file");
  const bool content = !holds(place.fd(), item.leaf, item.file->content.bytes());
  return write_in_place(place, item, true, content);
}

Result<bool> remove_file(const Place& place, const std::string& leaf) {
  if (::unlinkat(place.fd(), leaf.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  const int code = errno;
  const Fd fd(::openat(place.fd(), leaf.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat st{};
  // Another hard link may be the name of another user's file, unless this file is what is mounted here.
  const bool harmless = fd && ::fstat(fd.get(), &st) == 0 && (st.st_nlink == 1 || cannot_be_renamed(code));
  if (harmless && S_ISREG(st.st_mode) && ::ftruncate(fd.get(), 0) == 0) return st.st_size > 0;
  return place.directory.fail_at(leaf, "unlink", code);
}

}  // namespace spiffe::output
