// Full disks, read-only ones, missing permissions, no descriptors: the old set stays, nothing half-made
// remains, and the same call succeeds once the obstacle is gone.
#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

// Whether the directory contains only version "1": no unfinished generation, no temporaries.
bool is_untouched(const std::string& dir, const std::string& generation) {
  const std::vector<std::string> generations =
      generation.empty() ? std::vector<std::string>{} : std::vector<std::string>{"..gen." + generation};
  return holds_version(dir, "1") && entries(dir, "..gen.") == generations && entries(dir, "..tmp.").empty();
}

bool mount_tmpfs(const std::string& path, const std::string& options) {
  return ::mount("tmpfs", path.c_str(), "tmpfs", 0, ("mode=0755," + options).c_str()) == 0;
}

FileSet large_set(const std::string& version, std::size_t size) {
  FileSet set = make_set(version);
  for (File& file : set.files) file.content.append(std::string(size, 'x'));
  return set;
}

}  // namespace

TEST_CASE("ENOSPC: the old set stays, partial work is removed") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    in_mount_namespace([&] {
      if (!mount_tmpfs(dir.path(), "size=64k")) return false;
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const std::string generation = must_publish(publisher, make_set("1")).generation;
      for (const std::size_t size : {60'000, 30'000, 20'000}) {
        const auto result = publish(publisher, large_set("2", size));
        if (result || result.error().sys != ENOSPC) return false;
        if (!result.error().message.ends_with(".pem: no space left on device (write)")) return false;
        if (!is_untouched(dir.path(), generation)) return false;
      }
      must_publish(publisher, make_set("2"));
      return holds_version(dir.path(), "2");
    });
  }
}

TEST_CASE("a disk full of superseded generations takes every new set and loses the oldest generations") {
  const Scratch dir;
  in_mount_namespace([&] {
    if (!mount_tmpfs(dir.path(), "size=64k")) return false;
    Publisher publisher = make_publisher(options_for(dir.path()));
    const BootTime now = BootClock::now();
    std::string before;
    for (int version = 1; version <= 20; ++version) {
      const std::string generation =
          must_publish(publisher, make_set(std::to_string(version)), now).generation;
      if (!holds_version(dir.path(), std::to_string(version))) return false;
      const auto kept = entries(dir.path(), "..gen.");
      if (!before.empty() && std::ranges::find(kept, "..gen." + before) == kept.end()) return false;
      before = generation;
    }
    const std::size_t kept = entries(dir.path(), "..gen.").size();
    // A set too large for the whole disk costs the superseded generations, but nothing else.
    const auto result = publish(publisher, large_set("21", 60'000), now);
    return kept < 20 && !result && result.error().sys == ENOSPC && holds_version(dir.path(), "20") &&
           entries(dir.path(), "..gen.") == std::vector<std::string>{"..gen." + before} &&
           entries(dir.path(), "..tmp.").empty();
  });
}

TEST_CASE("superseded generations also make room for a single file") {
  const Scratch dir;
  in_mount_namespace([&] {
    if (!mount_tmpfs(dir.path(), "size=64k")) return false;
    PublisherOptions options = options_for(dir.path());
    options.names.emplace_back("token.jwt");
    Publisher publisher = make_publisher(std::move(options));
    const BootTime now = BootClock::now();
    for (const char* version : {"1", "2", "3"}) must_publish(publisher, make_set(version), now);
    const auto written = publish_alone(publisher, make_file("token.jwt", std::string(40'000, 'x')));
    return written && holds_version(dir.path(), "3") && content_of(dir / "token.jwt").size() == 40'000;
  });
}

TEST_CASE("without inodes, the old set stays or the new one is complete, whichever step fails") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch base;
    in_mount_namespace([&] {
      int failures = 0;
      int successes = 0;
      for (int inodes = 2; inodes < 30; ++inodes) {
        const std::string dir = base / std::to_string(inodes);
        fs::create_directory(dir);
        if (!mount_tmpfs(dir, "size=1m,nr_inodes=" + std::to_string(inodes))) return false;
        Publisher publisher = make_publisher(options_for(dir, layout));
        const auto first = publish(publisher, make_set("1"));
        if (!first) {
          // Never part of a first set; at most entries that readers ignore.
          if (!entries(dir, "svid").empty() || !entries(dir, "..gen.").empty()) return false;
          continue;
        }
        const auto second = publish(publisher, make_set("2"));
        ++(second ? successes : failures);
        if (!second && !is_untouched(dir, first->generation)) return false;
        if (second && !holds_version(dir, "2")) return false;
      }
      return failures > 0 && successes > 0;
    });
  }
}

TEST_CASE("a write that stops midway leaves nothing behind") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    in_child([&] {
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const std::string generation = must_publish(publisher, make_set("1")).generation;
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{5000, RLIM_INFINITY};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
      const auto result = publish(publisher, large_set("2", 9000));
      return !result && result.error().sys == EFBIG && is_untouched(dir.path(), generation);
    });
  }
}

TEST_CASE("EMFILE is an error, and the next try succeeds") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    in_child([&] {
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const std::string generation = must_publish(publisher, make_set("1")).generation;
      // With one free descriptor the generation's directory can be opened, but not its files; with none, not
      // even that.
      for (const int free : {0, 1}) {
        const int next = ::dup(0);
        ::close(next);
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        const rlimit before = limit;
        limit.rlim_cur = static_cast<rlim_t>(next + free);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        const auto result = publish(publisher, make_set("2"));
        ::setrlimit(RLIMIT_NOFILE, &before);
        if (layout == Layout::files && free == 1) {
          if (!result) return false;
          continue;
        }
        if (result || result.error().sys != EMFILE || !is_untouched(dir.path(), generation)) return false;
      }
      must_publish(publisher, make_set("3"));
      return holds_version(dir.path(), "3");
    });
  }
}

TEST_CASE("whichever system call fails, the old set stays and nothing half-made is left") {
  struct Fault {
    long call;
    int code;
    bool also_files;  // false if only directories or links need it, which the files layout does not make
  };
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    for (const Fault& fault : {Fault{SYS_mkdirat, EDQUOT, false}, Fault{SYS_symlinkat, EDQUOT, false},
                               Fault{SYS_fchmod, EPERM, true}, Fault{SYS_write, EDQUOT, true},
                               Fault{SYS_fsync, EIO, true}, Fault{SYS_renameat, EIO, true}}) {
      if (layout == Layout::files && !fault.also_files) continue;
      const Scratch dir("/tmp");  // fsync is not called in memory
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const std::string generation = must_publish(publisher, make_set("1")).generation;
      in_child([&] {
        if (!deny_syscall(fault.call, fault.code)) return false;
        const auto result = publish(publisher, make_set("2"));
        return !result && result.error().sys == fault.code &&
               result.error().message.starts_with("cannot write " + dir.path());
      });
      INFO("system call " << fault.call);
      CHECK(is_untouched(dir.path(), generation));
    }
  }
}

TEST_CASE("EROFS is an error with path and call, and the old set stays") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    in_mount_namespace([&] {
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const std::string generation = must_publish(publisher, make_set("1")).generation;
      const char* path = dir.path().c_str();
      publisher = make_publisher(options_for(dir.path() + "/elsewhere"));
      if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
          ::mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
        return false;
      }
      Publisher blocked = make_publisher(options_for(dir.path(), layout));
      const auto result = publish(blocked, make_set("2"));
      const bool good = !result && result.error().sys == EROFS &&
                        result.error().message.starts_with("cannot write " + dir.path() + "/") &&
                        result.error().message.contains(": read-only file system (") &&
                        is_untouched(dir.path(), generation);
      if (::mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT, nullptr) != 0) return false;
      must_publish(blocked, make_set("2"));
      return good && holds_version(dir.path(), "2");
    });
  }
}

TEST_CASE("EACCES is an error, and the old set stays") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    in_child([&] {
      // World-readable keys, because the child below reads them as another user.
      FileSet set = make_set("1");
      for (File& file : set.files) file.mode = 0644;
      std::string generation;
      {
        Publisher publisher = make_publisher(options_for(dir.path(), layout));
        generation = must_publish(publisher, set).generation;
      }
      become(12345, 12345);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const auto result = publish(publisher, make_set("2"));
      return !result && result.error().sys == EACCES &&
             result.error().message.contains(": permission denied") && is_untouched(dir.path(), generation);
    });
  }
}

TEST_CASE("a file system without symlinks is an error with a hint") {
  const Scratch dir;
  in_child([&] {
    REQUIRE(deny_syscall(SYS_symlinkat, EPERM));
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Error error = must_fail(publish(publisher, make_set("1")));
    must_publish(publisher = make_publisher(options_for(dir.path(), Layout::files)), make_set("1"));
    return error.message.ends_with(": operation not permitted (symlink)") &&
           error.hint == "if this file system has no symlinks, set layout = \"files\"" &&
           holds_version(dir.path(), "1");
  });
}

TEST_CASE("a file that is a mount point is written in place, with one warning") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    in_mount_namespace([&] {
      write(dir / "mounted", "old");
      write(dir / "svid.pem", "");
      if (::mount((dir / "mounted").c_str(), (dir / "svid.pem").c_str(), nullptr, MS_BIND, nullptr) != 0)
        return false;
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const Outcome first = must_publish(publisher, make_set("1"));
      bool good = first.change == Change::published && first.notices.size() == 1 &&
                  has_notice(first.notices, "written_in_place");
      good = good && holds_version(dir.path(), "1") && content_of(dir / "mounted") == "certificate 1";
      good = good && must_publish(publisher, make_set("1")).change == Change::unchanged;
      const Outcome second = must_publish(publisher, make_set("2"));
      good = good && second.notices.empty() && holds_version(dir.path(), "2") &&
             mode_of(dir / "svid.pem") == 0644 && entries(dir.path(), "..tmp.").empty();
      // After a restart, content that is already there is not written again either.
      publisher = make_publisher(options_for(dir.path() + "/elsewhere"));
      Publisher next = make_publisher(options_for(dir.path(), layout));
      good = good && must_publish(next, make_set("2")).change == Change::unchanged;
      ::umount((dir / "svid.pem").c_str());
      return good;
    });
  }
}

TEST_CASE("a leaf link that fails after the switch is restored later and counts as published") {
  // This tests the time between two renames of one publication. A file in memory cannot be made immutable, so
  // a read-only mount point stands for it.
  const Scratch dir;
  in_mount_namespace([&] {
    write(dir / "mounted", "old");
    write(dir / "svid.pem", "");
    const std::string leaf = dir / "svid.pem";
    if (::mount((dir / "mounted").c_str(), leaf.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, leaf.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      return false;
    }
    Publisher publisher = make_publisher(options_for(dir.path()));
    const auto blocked = publish(publisher, make_set("1"));
    if (blocked || blocked.error().sys != EROFS) return false;
    if (!has_notice(publisher.take_notices(), "written_in_place")) return false;
    ::umount(leaf.c_str());
    return must_publish(publisher, make_set("1")).change == Change::published &&
           holds_version(dir.path(), "1") && entries(dir.path(), "..tmp.").empty();
  });
}

}  // namespace spiffe::output::test
