#include "output/directory.hh"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "output/write_error.hh"

namespace spiffe::output {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kWriteByOthers = S_IWGRP | S_IWOTH;

// Creates `path` and its missing parents.
Result<void> make_path(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    const std::string head = path.substr(0, at);
    struct stat st{};
    if (::stat(head.c_str(), &st) == 0) continue;
    auto made = make_directory(AT_FDCWD, head);
    if (!made && made.error().sys != EEXIST) {
      return cannot_write(head, made.error().message, made.error().sys);
    }
  }
  return {};
}

Result<Fd> open_root(const DirectoryPath& path, bool create) {
  const std::string root = path.root.empty() ? "." : path.root;
  Fd fd(::open(root.c_str(), kOpenDirectory));
  if (!fd && errno == ENOENT && create) {
    if (auto made = make_path(root); !made) return fail(made.error());
    fd = Fd(::open(root.c_str(), kOpenDirectory));
  }
  if (fd) return fd;
  return cannot_write(root, "open", errno);
}

std::unexpected<Error> with_way_out(Error error, bool create) {
  if (error.sys == ENOENT) error.hint = hint_of_missing_directory(create);
  return fail(std::move(error));
}

// An error without the path, which the caller knows.
std::unexpected<Error> fail_call(std::string_view call, int code) {
  return fail(Error{ErrorKind::io, std::string(call), {}, code});
}

bool is_memory(int fd) {
  struct statfs fs{};
  return ::fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

bool same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

std::string DirectoryPath::shown() const {
  if (root.empty() && sub.empty()) return ".";
  if (root.empty() || sub.empty()) return root + sub;
  return root.ends_with('/') ? root + sub : root + '/' + sub;
}

std::string DirectoryPath::shown(std::string_view leaf) const {
  std::string out = root.empty() && sub.empty() ? std::string() : shown();
  if (!out.empty() && !out.ends_with('/')) out += '/';
  return out += leaf;
}

Result<Directory> Directory::open(DirectoryPath path, bool create) {
  Directory self;
  self.path_ = std::move(path);
  auto root = open_root(self.path_, create);
  if (!root) return with_way_out(root.error(), create);
  if (self.path_.sub.empty()) {
    self.fd_ = std::move(*root);
  } else {
    auto sub = open_beneath(root->get(), self.path_.sub, create);
    if (!sub) {
      const Error& why = sub.error();
      return with_way_out(cannot_write(self.path_.shown(), why.message, why.sys).error(), create);
    }
    self.fd_ = std::move(*sub);
    self.root_ = std::move(*root);
  }
  if (::fstat(self.fd_.get(), &self.stat_) != 0) return self.fail_at({}, "stat", errno);
  self.on_memory_ = is_memory(self.fd_.get());
  self.user_ = ::geteuid();
  self.group_ = ::getegid();
  self.others_could_plant_ = self.group_can_write() || self.others_can_write() || self.is_planted();
  return self;
}

Result<bool> Directory::still_there() {
  struct stat now{};
  const char* root = path_.root.empty() ? "." : path_.root.c_str();
  if (::stat(root, &now) != 0) return fail_at({}, "stat", errno);
  if (!path_.sub.empty()) {
    struct stat root_then{};
    if (::fstat(root_.get(), &root_then) != 0) return fail_at({}, "stat", errno);
    if (!same(now, root_then)) return false;
    if (::fstatat(root_.get(), path_.sub.c_str(), &now, 0) != 0) return fail_at({}, "stat", errno);
  }
  if (!same(now, stat_)) return false;
  stat_ = now;
  others_could_plant_ = group_can_write() || others_can_write() || is_planted();
  return true;
}

// Whether another user owns this directory and could have created it. cert_dir is the administrator's choice,
// but directories below it may come from anyone.
bool Directory::is_planted() const {
  if (stat_.st_uid == 0 || stat_.st_uid == user_) return false;
  std::string above = "..";
  for (const char c : '/' + path_.sub) {
    struct stat st{};
    if (path_.sub.empty()) break;
    if (c != '/') continue;
    if (::fstatat(fd(), above.c_str(), &st, 0) != 0 || (st.st_mode & kWriteByOthers) != 0) return true;
    above += "/..";
  }
  return false;
}

gid_t Directory::new_file_group() const {
  return (stat_.st_mode & S_ISGID) != 0 ? stat_.st_gid : group_;
}

std::unexpected<Error> Directory::fail_at(std::string_view leaf, std::string_view call, int code) const {
  return cannot_write(leaf.empty() ? path_.shown() : path_.shown(leaf), call, code);
}

std::unexpected<Error> Directory::fail_chown(std::string_view leaf, int code) const {
  auto error = fail_at(leaf, "chown", code);
  if (code == EPERM) error.error().hint = hint_of_chown();
  return error;
}

Result<void> Directory::sync() const {
  if (on_memory_ || ::fsync(fd()) == 0) return {};
  return fail_at({}, "fsync", errno);
}

Writers writers_of(const struct stat& st, gid_t own, std::span<const gid_t> groups) {
  // In a sticky directory, others cannot replace our files.
  if ((st.st_mode & S_ISVTX) != 0) return Writers::trusted;
  if ((st.st_mode & S_IWOTH) != 0) return Writers::others;
  const bool trusted = st.st_gid == own || std::ranges::find(groups, st.st_gid) != groups.end();
  return (st.st_mode & S_IWGRP) != 0 && !trusted ? Writers::group : Writers::trusted;
}

Result<Fd> open_beneath(int root, const std::string& sub, bool create) {
  open_how how{};
  how.flags = kOpenDirectory;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  const long fd = ::syscall(SYS_openat2, root, sub.c_str(), &how, sizeof how);
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == ENOSYS || errno == EPERM || (errno == ENOENT && create)) {
    return open_by_components(root, sub, create);
  }
  return fail_call("open", errno);
}

Result<Fd> open_by_components(int root, const std::string& sub, bool create) {
  Fd holder;
  int at = root;
  for (std::size_t begin = 0; begin < sub.size();) {
    const std::size_t end = std::min(sub.find('/', begin), sub.size());
    const std::string part = sub.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail_call("open", EXDEV);
    Fd next(::openat(at, part.c_str(), kOpenDirectory | O_NOFOLLOW));
    if (!next && errno == ENOENT && create) {
      auto made = make_directory(at, part);
      if (made) {
        next = std::move(*made);
      } else if (made.error().sys == EEXIST) {
        next = Fd(::openat(at, part.c_str(), kOpenDirectory | O_NOFOLLOW));
      } else {
        return fail(made.error());
      }
    }
    if (!next) return fail_call("open", errno);
    holder = std::move(next);
    at = holder.get();
  }
  return holder;
}

Result<Fd> make_directory(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), kDirectoryMode) != 0) return fail_call("mkdir", errno);
  Fd fd(::openat(parent, name.c_str(), kOpenDirectory | O_NOFOLLOW));
  // The umask takes rights from the owner, too.
  if (!fd && errno == EACCES && ::fchmodat(parent, name.c_str(), kDirectoryMode, 0) == 0) {
    fd = Fd(::openat(parent, name.c_str(), kOpenDirectory | O_NOFOLLOW));
  }
  const auto give_up = [&](const char* what, int code) {
    ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
    return fail_call(what, code);
  };
  if (!fd) return give_up("open", errno);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) return give_up("stat", errno);
  // fchmod(2) may remove S_ISGID if the caller is not in the group, so call it only if the umask interfered.
  if ((st.st_mode & 0777) != kDirectoryMode &&
      ::fchmod(fd.get(), kDirectoryMode | (st.st_mode & S_ISGID)) != 0) {
    return give_up("chmod", errno);
  }
  return fd;
}

Result<void> for_each_entry(int directory, const std::function<void(std::string_view)>& callback) {
  // A separate descriptor, so that the read position of `directory` does not matter.
  Fd fd(::openat(directory, ".", kOpenDirectory));
  if (!fd) return fail_call("open", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
  if (!dir) return fail_call("readdir", errno);
  [[maybe_unused]] const int owned_by_dir = fd.release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") callback(name);
  }
  if (errno != 0) return fail_call("readdir", errno);
  return {};
}

}  // namespace spiffe::output
