#include "cli/doctor/disk.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "base/fd.hh"
#include "base/text.hh"
#include "cli/doctor/files.hh"
#include "cli/files/input_file.hh"
#include "cli/text/cat.hh"
#include "daemon/settings.hh"
#include "output/directory.hh"
#include "output/lock.hh"
#include "output/name.hh"
#include "output/write_error.hh"
#include "process/proc.hh"

namespace spiffe::cli {

namespace {

constexpr std::size_t kMaxLockFile = 1UL << 20;

std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> out{};
  return ::realpath(path.c_str(), out.data()) != nullptr ? std::string(out.data()) : path;
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat left{};
  struct stat right{};
  return ::stat(a.c_str(), &left) == 0 && ::stat(b.c_str(), &right) == 0 && left.st_dev == right.st_dev &&
         left.st_ino == right.st_ino;
}

// Whether the helper can create the directory below the existing part of its path.
void check_maker(std::string above, const std::string& path, Findings& out) {
  struct stat info{};
  while (::stat(above.c_str(), &info) != 0) {
    const std::size_t slash = above.rfind('/');
    above = slash == std::string::npos ? "." : slash == 0 ? "/" : above.substr(0, slash);
  }
  if (::faccessat(AT_FDCWD, above.c_str(), W_OK | X_OK, AT_EACCESS) == 0)
    return add(out, Grade::ok, "cert-dir", path + " is not there yet, and will be made");
  add(out, Grade::fail, "cert-dir",
      cat({"cannot write ", path, ", to be made in ", escape(above), ": ", errno_text(errno)}),
      output::hint_of_write(errno));
}

output::Writers writers_of(const config::Config& config, const struct stat& info) {
  std::vector<gid_t> groups;
  for (const auto& group : {config.ownership.group, config.ownership.key_group}) {
    if (group) groups.push_back(*group);
  }
  return output::writers_of(info, ::getegid(), groups);
}

// Whether cert_dir exists and is writable. Returns false if there is nothing more to check.
bool check_directory(const config::Config& config, const std::string& path, Findings& out) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    const int code = errno;
    if (code == ENOENT && config.create_cert_dir) {
      check_maker(config.cert_dir, path, out);
    } else {
      // The directory of a relative path depends on where the helper is started.
      const std::string where = path.starts_with('/') ? "" : cat({", below ", escape(resolved("."))});
      add(out, Grade::fail, "cert-dir", cat({"cannot write ", path, where, ": ", errno_text(code)}),
          code == ENOENT ? std::string(output::hint_of_missing_directory(false))
                         : output::hint_of_write(code));
    }
    return false;
  }
  const auto mountinfo = process::read_proc(::getpid(), "mountinfo");
  const bool empty_dir = mountinfo && is_empty_dir(*mountinfo, resolved(path));
  out.push_back(judge_directory(path, info, writers_of(config, info), empty_dir, config.require_secure_dir));
  if (!S_ISDIR(info.st_mode)) return false;
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return true;
  const int code = errno;
  add(out, Grade::fail, "cert-dir", cat({"cannot write ", path, ": ", errno_text(code)}),
      output::hint_of_write(code));
  return true;
}

// Opens a directory below cert_dir that is part of a file name, as the helper does.
void check_subdirectory(const config::Config& config, const std::string& name, Findings& out) {
  const output::DirectoryPath path{config.cert_dir, name};
  const auto opened = output::Directory::open(path, false);
  const std::string shown = escape(path.shown());
  if (!opened) {
    if (opened.error().sys == ENOENT && config.create_cert_dir) return;
    add(out, Grade::fail, "cert-dir", escape(opened.error().message), opened.error().hint);
  } else if (::faccessat(opened->fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    const int code = errno;
    add(out, Grade::fail, "cert-dir", cat({"cannot write ", shown, ": ", errno_text(code)}),
        output::hint_of_write(code));
  } else {
    const Finding found = judge_directory(shown, opened->status(), writers_of(config, opened->status()),
                                          false, config.require_secure_dir);
    if (found.grade == Grade::fail) out.push_back(found);
  }
}

// Whether this process may give files away (CAP_CHOWN).
bool may_chown() {
  constexpr std::string_view kName = "CapEff:\t";
  const auto status = process::read_proc(::getpid(), "status");
  const std::size_t at = status ? status->find(kName) : std::string::npos;
  if (at == std::string::npos) return ::geteuid() == 0;
  std::uint64_t bits = 0;
  const char* begin = status->data() + at + kName.size();
  std::from_chars(begin, status->data() + status->size(), bits, 16);
  return (bits & 1U) != 0;
}

bool in_group(gid_t group) {
  if (group == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return std::ranges::find(groups, group) != groups.end();
}

// Whether the files can be given to their configured owners.
void check_ownership(const config::Config& config, Findings& out) {
  const config::Ownership& wanted = config.ownership;
  if (may_chown()) return;
  const std::string who = cat({"user ", std::to_string(::geteuid()), " "});
  for (const auto& user : {wanted.owner, wanted.key_owner}) {
    if (!user || *user == ::geteuid()) continue;
    return add(
        out, Grade::fail, "owner",
        cat({"files are to belong to user ", std::to_string(*user), ", and ", who, "cannot give them away"}),
        output::hint_of_chown());
  }
  for (const auto& group : {wanted.group, wanted.key_group}) {
    if (!group || in_group(*group)) continue;
    return add(out, Grade::fail, "owner",
               cat({"files are to belong to group ", std::to_string(*group), ", and ", who, "is not in it"}),
               output::hint_of_chown());
  }
}

void check_space(const std::string& path, Findings& out) {
  struct statvfs space{};
  if (::statvfs(path.c_str(), &space) != 0 || (space.f_flag & ST_RDONLY) != 0) return;
  constexpr unsigned long long kBytes = 64ULL * 1024;
  constexpr unsigned long long kFiles = 16;
  const bool root = ::geteuid() == 0;
  const auto free = static_cast<unsigned long long>(root ? space.f_bfree : space.f_bavail) * space.f_frsize;
  const auto nodes = root ? space.f_ffree : space.f_favail;
  if (space.f_blocks > 0 && free < kBytes) {
    add(out, Grade::fail, "disk", cat({std::to_string(free), " bytes are free in ", path}),
        output::hint_of_write(ENOSPC));
  } else if (space.f_files > 0 && nodes < kFiles) {
    add(out, Grade::fail, "disk", cat({"room for ", std::to_string(nodes), " more files in ", path}),
        output::hint_of_write(ENOSPC));
  } else {
    add(out, Grade::ok, "disk", "room for new files");
  }
}

// A process that holds a lock file of one of our names.
struct Holder {
  std::string lock;
  uid_t user = 0;
  pid_t pid = 0;  // 0: not recorded, or of another user
  LockSaid said = LockSaid::nothing;
};

struct Lookup {
  std::optional<Holder> holder;
  std::string closed;  // a lock file that we may not read
};

// Whether the process runs as this user, since a planted lock file may contain any pid.
bool runs_as(pid_t pid, uid_t user) {
  struct stat info{};
  return pid > 0 && ::stat(("/proc/" + std::to_string(pid)).c_str(), &info) == 0 && info.st_uid == user;
}

Lookup find_holder(int directory, const std::vector<std::string>& leaves) {
  Lookup out;
  const auto listed = output::for_each_entry(directory, [&](std::string_view name) {
    if (out.holder || (name != "..lock" && !name.starts_with("..lock."))) return;
    const std::string copy(name);
    const Fd fd(::openat(directory, copy.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == EACCES) out.closed = copy;
    std::string text(kMaxLockFile, '\0');
    const ssize_t size = fd ? ::pread(fd.get(), text.data(), text.size(), 0) : 0;
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    const output::LockRecord record = output::parse_lock(text);
    if (!record.whole || !record.overlaps(leaves)) return;
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return;
    Holder holder{.lock = copy, .user = info.st_uid};
    pid_t pid = 0;
    std::from_chars(record.pid.data(), record.pid.data() + record.pid.size(), pid);
    if (runs_as(pid, info.st_uid) || info.st_uid == ::geteuid()) holder.pid = pid;
    if (const auto locks = process::read_proc_file("locks")) holder.said = lock_said(*locks, pid, info);
    if (holder.said == LockSaid::held_by_another) holder.pid = 0;
    out.holder = std::move(holder);
  });
  return listed ? out : Lookup{};
}

// The command line of a process, if it looks like a helper's.
std::optional<std::string> helper_line(pid_t pid) {
  auto cmdline = pid > 0 ? process::read_proc(pid, "cmdline") : std::nullopt;
  if (cmdline && cmdline->find("spiffe-helper") == std::string::npos) cmdline.reset();
  return cmdline;
}

// The lock of the helper that runs with this configuration is not a problem.
bool is_ours(pid_t pid, const std::string& config_file) {
  const auto cmdline = helper_line(pid);
  if (!cmdline) return false;
  const std::string root = "/proc/" + std::to_string(pid);
  const std::string named = config_of(*cmdline);
  if (config_file.empty()) return named == "helper.conf";
  return same_file((named.starts_with('/') ? root + "/root" : root + "/cwd/") + named, config_file);
}

RunningHelper check_lock(const std::string& path, const std::vector<std::string>& leaves,
                         const std::string& config_file, Findings& out) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  const auto [holder, closed] = find_holder(directory.get(), leaves);
  if (!holder && !closed.empty()) {
    add(out, Grade::warn, "lock",
        cat({"cannot read ", escape(closed),
             ": permission denied: whether a helper has these files is not known"}),
        "run doctor as the helper's user; to a helper of this user the file would be in the way");
    return {.lock_held = true};
  }
  if (!holder) {
    add(out, Grade::ok, "lock", "no helper has these files now");
    return {};
  }
  const std::string who = holder->pid != 0 ? "pid " + std::to_string(holder->pid) : "its pid is not known";
  if (is_ours(holder->pid, config_file)) {
    add(out, Grade::ok, "lock", "the helper of this configuration runs, " + who);
    const bool own = holder->user == ::geteuid() || holder->user == 0;
    return {.pid = holder->pid, .lock_held = true, .certain = own || holder->said == LockSaid::held};
  }
  if (holder->user != ::geteuid() && holder->user != 0) {
    add(out, Grade::fail, "lock",
        cat({holder->lock, " belongs to uid ", std::to_string(holder->user),
             ", who holds it for these files"}),
        "stop the helper of that user, or give this one another cert_dir; if there is none, somebody keeps "
        "this helper out: choose a cert_dir that only the helper can write");
    return {.lock_held = true};
  }
  // In another PID namespace, this pid is another process or none, and /proc/locks does not list the holder.
  if (holder->said == LockSaid::nothing && !helper_line(holder->pid)) {
    add(out, Grade::warn, "lock",
        cat({holder->lock, " is held for these files by a process that cannot be seen from here"}),
        "run doctor in the helper's own container, as its user; if that is not the helper of this "
        "configuration, give this one another cert_dir");
    return {.lock_held = true};
  }
  add(out, Grade::fail, "lock",
      cat({"another helper (", who, ") writes these files and holds ", holder->lock}),
      "stop it, or give this one other file names or another cert_dir");
  return {.lock_held = true};
}

}  // namespace

RunningHelper check_disk(const config::Config& config, const std::string& config_file, Renewal renewal,
                         Findings& out) {
  const std::string path = config.cert_dir.empty() ? "." : escape(config.cert_dir);
  if (!check_directory(config, path, out)) return {};
  check_space(path, out);
  const auto plan = daemon::plan_of(config);
  if (!plan) return {};
  std::vector<std::string> leaves;
  std::set<std::string> directories;
  for (const std::string& name : daemon::publisher_options(config, *plan).names) {
    // Files in other directories are locked there.
    const auto split = output::split_name(name);
    if (split.directory.empty()) {
      leaves.emplace_back(split.leaf);
    } else {
      directories.emplace(split.directory);
    }
  }
  for (const std::string& each : directories) check_subdirectory(config, each, out);
  check_ownership(config, out);
  const RunningHelper helper = check_lock(path, leaves, config_file, out);
  check_layout(config, path, out);
  check_files(config, *plan, renewal, out);
  return helper;
}

}  // namespace spiffe::cli
