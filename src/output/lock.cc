#include "output/lock.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "output/file_writer.hh"

namespace spiffe::output {

namespace {

constexpr std::size_t kMaxLockFile = 1 << 20;
constexpr int kLockAttempts = 16;
constexpr mode_t kLockMode = 0600;
constexpr int kOpenLock = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

bool is_lock_file(std::string_view name) {
  return name == "..lock" || name.starts_with("..lock.");
}

LockRecord read_record(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  while (text.size() < kMaxLockFile) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return parse_lock(text);
}

// For messages: others may have written the file, so accept only digits.
std::string digits(std::string_view text) {
  const bool good = text.size() < 12 && std::ranges::all_of(text, is_digit);
  return good ? std::string(text) : std::string();
}

// Whether opening failed because the name is a symlink, a directory or a socket.
bool is_no_file(int code) {
  return code == ELOOP || code == EISDIR || code == ENXIO;
}

std::string owner_of(uid_t user) {
  return "belongs to uid " + std::to_string(user);
}

// A lock file of another user's helper shows neither its names nor whether it is held.
std::unexpected<Error> cannot_open(const Directory& directory, const std::string& name, int code) {
  auto error = directory.fail_at(name, "open", code);
  struct stat st{};
  if (code == EACCES && ::fstatat(directory.fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      st.st_uid != ::geteuid()) {
    error.error().message = "cannot write " + directory.path().shown() + ": " + name + " " +
                            owner_of(st.st_uid) + " and cannot be opened: " + errno_text(code);
    error.error().hint = "remove it if no helper of that user runs here any more, or choose another cert_dir";
  }
  return error;
}

struct OpenLock {
  Fd fd;
  uid_t owner = 0;
  // Made by this user and without another hard link, so writing it changes no other file. Lock files of other
  // users are read, and respected while held, but never written, and their pid is not trusted.
  bool ours = false;
};

// Opens without creating first: with fs.protected_regular, the kernel refuses O_CREAT on another user's file
// in a sticky directory, even to root. Returns an empty Fd if there is no file and `create` is false.
Result<OpenLock> open_lock(const Directory& directory, const std::string& name, bool create) {
  bool created = false;
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    created = false;
    Fd fd(::openat(directory.fd(), name.c_str(), kOpenLock));
    if (!fd && errno == ENOENT) {
      if (!create) return OpenLock{};
      fd = Fd(::openat(directory.fd(), name.c_str(), kOpenLock | O_CREAT | O_EXCL, kLockMode));
      if (!fd && errno == EEXIST) continue;
      created = true;
      // The next run must be able to open it, whatever this run's umask is.
      if (fd && ::fchmod(fd.get(), kLockMode) != 0) return directory.fail_at(name, "chmod", errno);
    }
    struct stat st{};
    if (fd && ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode)) {
      const bool ours = created || (st.st_uid == ::geteuid() && st.st_nlink == 1);
      return OpenLock{std::move(fd), st.st_uid, ours};
    }
    if (!fd && !is_no_file(errno)) return cannot_open(directory, name, errno);
    return fail(ErrorKind::failed,
                "cannot write " + directory.path().shown(name) + ": it is not a regular file",
                "remove what somebody put there");
  }
  return directory.fail_at(name, "open", EEXIST);
}

std::unexpected<Error> taken(const Directory& directory, const std::string& name, const OpenLock& lock) {
  const std::string start = "cannot write " + directory.path().shown() + ": ";
  if (!lock.ours && lock.owner != ::geteuid()) {
    return fail(ErrorKind::locked,
                start + name + " " + owner_of(lock.owner) + ", who holds it for these files",
                "stop the helper of that user, or give this one another cert_dir; if there is none, somebody "
                "keeps this helper out: choose a cert_dir that only the helper can write");
  }
  const LockRecord record = read_record(lock.fd.get());
  return fail(ErrorKind::locked,
              start + "another helper" + (record.pid.empty() ? "" : " (pid " + record.pid + ")") +
                  " writes these files and holds " + name,
              "stop it, or give this one other file names or another cert_dir");
}

// Removes a lock file that no process holds and that we must not write, so that we can create our own.
Result<void> remove_foreign(const Directory& directory, const std::string& name, const OpenLock& lock) {
  if (::unlinkat(directory.fd(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  auto error = directory.fail_at({}, "unlink", errno);
  error.error().message =
      "cannot write " + directory.path().shown() + ": " + name +
      (lock.owner == ::geteuid() ? " has more than one hard link" : " " + owner_of(lock.owner)) +
      " and cannot be replaced: " + errno_text(error.error().sys);
  error.error().hint = "remove it, or choose a cert_dir that only the helper can write";
  return error;
}

bool locks_unknown(int code) {
  return code == EBADF || code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL;
}

// Whether another process holds the lock of `fd`. If not, we hold it for an instant.
bool held(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  ::flock(fd, LOCK_UN);
  return false;
}

// A third helper may hold one of our names under its hash. Our lock is taken by now, so if two helpers check
// each other at the same time, at least one of them sees the other.
Result<void> check_others(const Directory& directory, std::span<const std::string> leaves,
                          const std::string& own) {
  std::vector<std::string> locks;
  auto listed = for_each_entry(directory.fd(), [&](std::string_view name) {
    if (is_lock_file(name) && name != own) locks.emplace_back(name);
  });
  if (!listed) return directory.fail_at({}, listed.error().message, listed.error().sys);
  for (const std::string& name : locks) {
    const auto lock = open_lock(directory, name, false);
    if (!lock || !lock->fd) continue;
    const LockRecord record = read_record(lock->fd.get());
    if (record.whole && record.overlaps(leaves) && held(lock->fd.get())) return taken(directory, name, *lock);
  }
  return {};
}

Result<void> write_record(const Directory& directory, const std::string& name, int fd,
                          std::span<const std::string> leaves) {
  const std::string text = format_lock(std::to_string(::getpid()), leaves);
  ::lseek(fd, 0, SEEK_SET);
  if (const int code = write_all(fd, std::as_bytes(std::span(text))); code != 0) {
    return directory.fail_at(name, "write", code);
  }
  if (::ftruncate(fd, static_cast<off_t>(text.size())) != 0)
    return directory.fail_at(name, "truncate", errno);
  return {};
}

// The outputs in the generation that "..data" leads to.
std::vector<std::string> published_leaves(const Directory& directory, const OwnNames& names) {
  std::array<char, PATH_MAX> target;
  const ssize_t n = ::readlinkat(directory.fd(), names.data().c_str(), target.data(), target.size());
  const std::string generation(target.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (!names.is_generation(generation)) return {};
  const Fd fd(::openat(directory.fd(), generation.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  std::vector<std::string> leaves;
  if (fd && !for_each_entry(fd.get(), [&](std::string_view name) { leaves.emplace_back(name); })) return {};
  return leaves;
}

// Chooses between the plain names and those with a hash, by the names in "..lock"; if its helper removed it
// at its end, by the content of the generation of "..data".
Result<OwnNames> choose_names(const Directory& directory, std::span<const std::string> leaves) {
  OwnNames first;
  auto lock = open_lock(directory, first.lock(), false);
  if (!lock) return fail(lock.error());
  LockRecord record;
  if (lock->fd) {
    record = read_record(lock->fd.get());
  } else {
    record.leaves = published_leaves(directory, first);
    record.whole = !record.leaves.empty();
  }
  if (!record.whole || record.overlaps(leaves)) return first;
  return OwnNames(hash_of_names(leaves));
}

// nullopt if the files changed during the check: try again.
Result<std::optional<Lock>> try_lock(const Directory& directory, std::span<const std::string> leaves,
                                     Notices& notices) {
  auto names = choose_names(directory, leaves);
  if (!names) return fail(names.error());
  Lock lock{.fd = {}, .names = *names};
  const std::string& name = lock.names.lock();
  auto opened = open_lock(directory, name, true);
  if (!opened) return fail(opened.error());
  const int fd = opened->fd.get();
  bool guarded = true;
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return taken(directory, name, *opened);
    if (!locks_unknown(errno)) return directory.fail_at(name, "lock", errno);
    notices.warn(
        "lock_unsupported", directory.path().shown(name),
        "this file system has no locks (" + errno_text(errno) + "): nothing keeps a second helper out");
    guarded = false;
  }
  if (!still_named(directory, name, fd)) return std::nullopt;
  const LockRecord record = read_record(fd);
  if (record.whole && !record.overlaps(leaves)) return std::nullopt;
  if (!opened->ours) {
    if (auto removed = remove_foreign(directory, name, *opened); !removed) return fail(removed.error());
    return std::nullopt;
  }
  if (guarded) {
    if (auto alone = check_others(directory, leaves, name); !alone) return fail(alone.error());
  }
  if (auto written = write_record(directory, name, fd, leaves); !written) return fail(written.error());
  if (guarded) lock.fd = std::move(opened->fd);
  return lock;
}

}  // namespace

Result<Lock> take_lock(const Directory& directory, std::span<const std::string> leaves, bool optional,
                       Notices& notices) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    auto lock = try_lock(directory, leaves, notices);
    if (lock && *lock) return std::move(**lock);
    if (lock) continue;
    const int code = lock.error().sys;
    if (!optional || (code != EACCES && code != EPERM && code != EROFS)) return fail(lock.error());
    notices.warn(
        "lock_unsupported", directory.path().shown(),
        "no lock file can be made here (" + lock.error().message + "): nothing keeps a second helper out");
    return Lock{.fd = {}, .names = OwnNames(), .may_clean = false};
  }
  return directory.fail_at(OwnNames().lock(), "lock", EAGAIN);
}

void remove_lock(const Directory& directory, const Lock& lock) {
  // A waiting helper has opened this file and locks it once we close it; it then finds that the name leads
  // elsewhere.
  if (lock.fd && still_named(directory, lock.names.lock(), lock.fd.get())) {
    ::unlinkat(directory.fd(), lock.names.lock().c_str(), 0);
  }
}

bool still_named(const Directory& directory, const std::string& name, int fd) {
  struct stat by_name{};
  struct stat by_fd{};
  return ::fstatat(directory.fd(), name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(fd, &by_fd) == 0 && by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

bool LockRecord::overlaps(std::span<const std::string> others) const {
  return std::ranges::any_of(others, [this](const std::string& other) {
    return std::ranges::any_of(
        leaves, [&](const std::string& leaf) { return leaf == other || leaf == "*" || other == "*"; });
  });
}

LockRecord parse_lock(std::string_view text) {
  LockRecord record;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return record;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line == "end") {
      record.whole = true;
      return record;
    }
    if (line.starts_with("pid ")) record.pid = digits(line.substr(4));
    if (line.starts_with("name ")) record.leaves.emplace_back(line.substr(5));
  }
  return record;
}

std::string format_lock(std::string_view pid, std::span<const std::string> leaves) {
  std::string out = "pid " + std::string(pid) + '\n';
  for (const std::string& leaf : leaves) out += "name " + leaf + '\n';
  return out += "end\n";
}

}  // namespace spiffe::output
