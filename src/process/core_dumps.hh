// Core files of this process would hold private keys: it writes none, while its children keep what it found.
#pragma once

#include <optional>
#include <string>

#include <sys/resource.h>

#include "base/fd.hh"

namespace spiffe::process {

// Core dumps of this process, forbidden for as long as it lives. Owned by the daemon, outlives every
// Launcher. Main thread. PR_SET_DUMPABLE stays as it is: without it /proc/self would belong to root.
class CoreDumps {
 public:
  // Sets the soft RLIMIT_CORE and /proc/self/coredump_filter to 0. What cannot be set stays as it was, and is
  // not restored in children.
  static CoreDumps forbid();
  CoreDumps(CoreDumps&&) = default;
  CoreDumps& operator=(CoreDumps&&) = default;

  // The limit a child gets back, null where none was changed. Of two limits only the soft one was lowered, so
  // that no privilege is needed for it.
  [[nodiscard]] const rlimit* found_limit() const { return limit_ ? &*limit_ : nullptr; }

  // The filter lives in the memory map that a vforked child shares and that exec hands on: the parent opens
  // it for the moment of a start and closes it again.
  void open_filter() const;
  void close_filter() const;

 private:
  CoreDumps() = default;

  std::optional<rlimit> limit_;
  std::string filter_;  // as read, "0x33"; empty where it was not changed
  Fd filter_fd_;
};

}  // namespace spiffe::process
