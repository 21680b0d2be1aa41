#include "output/replace.hh"

#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/file_writer.hh"
#include "output/temporaries.hh"

namespace spiffe::output {

namespace {

// O_NONBLOCK: a FIFO without a reader is an error, not a wait.
constexpr int kOpenInPlace = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

Result<Fd> open_existing(const Place& place, const Item& item, int flags) {
  Fd fd(::openat(place.fd(), item.leaf.c_str(), flags));
  struct stat st{};
  // A mode like 0444 keeps even its owner from writing.
  if (!fd && errno == EACCES && ::fstatat(place.fd(), item.leaf.c_str(), &st, 0) == 0 &&
      st.st_uid == ::geteuid() &&
      ::fchmodat(place.fd(), item.leaf.c_str(), (st.st_mode & 0777) | S_IWUSR, 0) == 0) {
    fd = Fd(::openat(place.fd(), item.leaf.c_str(), flags));
  }
  if (fd || errno == ENOENT) return fd;
  return place.directory.fail_at(item.leaf, "open", errno);
}

// Owner and mode of a file that was there before. Returns whether they had to be changed.
Result<bool> put_right(const Place& place, const Item& item, int fd, const struct stat& st) {
  const File& file = *item.file;
  if (has_attributes(st, file)) return false;
  if ((file.owner.user && *file.owner.user != st.st_uid) ||
      (file.owner.group && *file.owner.group != st.st_gid)) {
    if (::fchown(fd, file.owner.user.value_or(static_cast<uid_t>(-1)),
                 file.owner.group.value_or(static_cast<gid_t>(-1))) != 0) {
      return place.directory.fail_at(item.leaf, "chown", errno);
    }
  }
  if ((st.st_mode & 07777) == file.mode || ::fchmod(fd, file.mode) == 0) return true;
  const int code = errno;
  const bool too_open = (st.st_mode & 0777 & ~file.mode) != 0;
  if (code != EPERM || (file.secret && too_open)) return place.directory.fail_at(item.leaf, "chmod", code);
  place.notices->warn("mode_kept", place.directory.path().shown(item.leaf),
                      "keeps its mode: it belongs to somebody else");
  return false;
}

Result<void> write_content(const Place& place, const Item& item, int fd) {
  if (::ftruncate(fd, 0) != 0) return place.directory.fail_at(item.leaf, "truncate", errno);
  if (const int code = write_all(fd, item.file->content.bytes()); code != 0) {
    return place.directory.fail_at(item.leaf, "write", code);
  }
  // The file may be on another file system than its directory: no short cut for memory here.
  if (::fsync(fd) != 0 && errno != EINVAL) return place.directory.fail_at(item.leaf, "fsync", errno);
  return {};
}

// A link of ours, left by the snapshot layout, leads to the file that is replaced in truth.
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

Result<void> replace_files(Place& place, std::span<const Item> items, Approval& approval) {
  std::vector<Leaf> found;
  for (const Item& item : items) {
    auto leaf = look_at(place, item.leaf);
    if (!leaf) return fail(leaf.error());
    found.push_back(*leaf);
  }
  Temporaries temporaries(place);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto added = temporaries.add_file(items[i], owner_of_next(place, items[i], found[i]));
    if (!added) return added;
  }
  if (auto approved = approval.given(); !approved) return approved;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const int code = temporaries.rename_next(items[i].leaf);
    if (code == 0) {
      warn_of_replacing(place, items[i].leaf, found[i]);
      continue;
    }
    if (!cannot_be_renamed(code)) return place.directory.fail_at(items[i].leaf, "rename", code);
    temporaries.drop_next();
    if (auto written = write_mounted(place, items[i]); !written) return fail(written.error());
  }
  return place.directory.sync();
}

Result<bool> write_in_place(const Place& place, const Item& item, bool follow, bool content) {
  const int flags = kOpenInPlace | (follow ? 0 : O_NOFOLLOW);
  auto opened = open_existing(place, item, flags);
  if (!opened) return fail(opened.error());
  Fd fd = std::move(*opened);
  const bool created = !fd;
  if (created) {
    fd = Fd(::openat(place.fd(), item.leaf.c_str(), flags | O_CREAT, 0600));
    if (!fd) return place.directory.fail_at(item.leaf, "create", errno);
    if (auto set = set_attributes(place, item, fd.get(), decide_owner(place, item, nullptr)); !set) {
      return fail(set.error());
    }
  }
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) return place.directory.fail_at(item.leaf, "stat", errno);
  if (!S_ISREG(st.st_mode)) return place.directory.fail_at(item.leaf, "write in place", EEXIST);
  auto changed = put_right(place, item, fd.get(), st);
  if (!changed || !(content || created)) return changed;
  if (auto written = write_content(place, item, fd.get()); !written) return fail(written.error());
  return true;
}

Result<bool> write_mounted(const Place& place, const Item& item) {
  place.notices->warn("written_in_place", place.directory.path().shown(item.leaf),
                      "something is mounted on it, so it is written in place: readers may see half a file");
  const bool content = !holds(place.fd(), item.leaf, item.file->content.bytes());
  return write_in_place(place, item, false, content);
}

Result<bool> remove_file(const Place& place, const std::string& leaf) {
  if (::unlinkat(place.fd(), leaf.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  const int code = errno;
  const Fd fd(::openat(place.fd(), leaf.c_str(), kOpenInPlace | O_NOFOLLOW));
  struct stat st{};
  if (fd && ::fstat(fd.get(), &st) == 0 && ::ftruncate(fd.get(), 0) == 0) return st.st_size > 0;
  return place.directory.fail_at(leaf, "unlink", code);
}

}  // namespace spiffe::output
