#include "output/lock.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/file_writer.hh"

namespace spiffe::output {

namespace {

constexpr std::size_t kMaxLockFile = 1 << 20;
constexpr int kAttempts = 16;
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

// What is shown to people comes from a file that others may have written.
std::string digits(std::string_view text) {
  const bool good =
      text.size() < 12 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return good ? std::string(text) : std::string();
}

// Whether opening failed because of what the name is: a symlink, a directory, a socket.
bool is_no_file(int code) {
  return code == ELOOP || code == EISDIR || code == ENXIO;
}

// A lock file of another user's helper says neither what it is about nor whether it is held.
std::unexpected<Error> cannot_open(const Directory& directory, const std::string& name, int code) {
  auto error = directory.fail_at(name, "open", code);
  struct stat st{};
  if (code == EACCES && ::fstatat(directory.fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      st.st_uid != ::geteuid()) {
    error.error().hint = "it belongs to user " + std::to_string(st.st_uid) +
                         ": remove it if that user's helper is gone for good, or choose another cert_dir";
  }
  return error;
}

// Opens without creating first: where fs.protected_regular is set the kernel refuses O_CREAT on a file of
// somebody else in a sticky directory, even to root. Empty Fd: not there and `create` is false.
Result<Fd> open_lock(const Directory& directory, const std::string& name, bool create) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Fd fd(::openat(directory.fd(), name.c_str(), kOpenLock));
    if (!fd && errno == ENOENT) {
      if (!create) return Fd();
      fd = Fd(::openat(directory.fd(), name.c_str(), kOpenLock | O_CREAT | O_EXCL, kLockMode));
      if (!fd && errno == EEXIST) continue;
      // The next life has to open it, whatever the umask of this one.
      if (fd && ::fchmod(fd.get(), kLockMode) != 0) return directory.fail_at(name, "chmod", errno);
    }
    struct stat st{};
    if (fd && ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode)) return fd;
    if (!fd && !is_no_file(errno)) return cannot_open(directory, name, errno);
    return fail(ErrorKind::failed, "publish " + directory.path().shown(name) + ": it is not a regular file",
                "remove what somebody put there");
  }
  return directory.fail_at(name, "open", EEXIST);
}

std::unexpected<Error> taken(const Directory& directory, const std::string& name, const LockRecord& record) {
  return fail(ErrorKind::locked,
              "publish " + directory.path().shown() + ": another helper" +
                  (record.pid.empty() ? "" : " (pid " + record.pid + ")") + " writes these files and holds " +
                  name,
              "stop it, or give this one other file names or another cert_dir");
}

bool locks_unknown(int code) {
  return code == EBADF || code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL;
}

// Whether somebody holds the lock of `fd`; ours for the blink of an eye otherwise.
bool held(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  ::flock(fd, LOCK_UN);
  return false;
}

// A third helper may hold one of our names under its hash. Ours is taken by now, so of two that look at each
// other at once at least one sees the other.
Result<void> check_others(const Directory& directory, std::span<const std::string> leaves,
                          const std::string& own) {
  std::vector<std::string> locks;
  auto listed = for_each_entry(directory.fd(), [&](std::string_view name) {
    if (is_lock_file(name) && name != own) locks.emplace_back(name);
  });
  if (!listed) return fail(context("publish " + directory.path().shown(), listed.error()));
  for (const std::string& name : locks) {
    const auto fd = open_lock(directory, name, false);
    if (!fd || !*fd) continue;
    const LockRecord record = read_record(fd->get());
    if (record.whole && record.overlaps(leaves) && held(fd->get())) return taken(directory, name, record);
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

// Which of the two kinds of names is for us, judged by what "..lock" says.
Result<OwnNames> choose_names(const Directory& directory, std::span<const std::string> leaves) {
  OwnNames first;
  auto fd = open_lock(directory, first.lock(), false);
  if (!fd) return fail(fd.error());
  if (!*fd) return first;
  const LockRecord record = read_record(fd->get());
  if (!record.whole || record.overlaps(leaves)) return first;
  return OwnNames(hash_of_names(leaves));
}

// Nothing: what was looked at has changed meanwhile, look again.
Result<std::optional<Lock>> try_lock(const Directory& directory, std::span<const std::string> leaves,
                                     Notices& notices) {
  auto names = choose_names(directory, leaves);
  if (!names) return fail(names.error());
  Lock lock{.fd = {}, .names = *names};
  const std::string& name = lock.names.lock();
  auto fd = open_lock(directory, name, true);
  if (!fd) return fail(fd.error());
  bool guarded = true;
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return taken(directory, name, read_record(fd->get()));
    if (!locks_unknown(errno)) return directory.fail_at(name, "lock", errno);
    notices.warn(
        "lock_unsupported", directory.path().shown(name),
        "this file system has no locks (" + errno_text(errno) + "): nothing keeps a second helper out");
    guarded = false;
  }
  if (!still_named(directory, name, fd->get())) return std::nullopt;
  const LockRecord record = read_record(fd->get());
  if (record.whole && !record.overlaps(leaves)) return std::nullopt;
  if (guarded) {
    if (auto alone = check_others(directory, leaves, name); !alone) return fail(alone.error());
  }
  if (auto written = write_record(directory, name, fd->get(), leaves); !written) return fail(written.error());
  if (guarded) lock.fd = std::move(*fd);
  return lock;
}

}  // namespace

Result<Lock> take_lock(const Directory& directory, std::span<const std::string> leaves, bool optional,
                       Notices& notices) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto lock = try_lock(directory, leaves, notices);
    if (lock && *lock) return std::move(**lock);
    if (lock) continue;
    const int code = lock.error().sys;
    if (!optional || (code != EACCES && code != EPERM && code != EROFS)) return fail(lock.error());
    notices.warn(
        "lock_unsupported", directory.path().shown(),
        "no lock file can be made here (" + errno_text(code) + "): nothing keeps a second helper out");
    return Lock{.fd = {}, .names = OwnNames(), .may_clean = false};
  }
  return directory.fail_at(OwnNames().lock(), "lock", EAGAIN);
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
