// Core files of this process would contain private keys, so it writes none. Its children get the original
// settings back.
#pragma once

#include <optional>
#include <string>

#include <sys/resource.h>

#include "base/fd.hh"

namespace spiffe::process {

// Disables core dumps of this process while the process lives. Owned by the daemon; must outlive every
// Launcher. Main thread. PR_SET_DUMPABLE is not changed: without it /proc/self would belong to root.
class CoreDumps {
 public:
  // Sets the soft RLIMIT_CORE and /proc/self/coredump_filter to 0. A setting that cannot be changed stays as
  // it was, and is not restored in children.
  static CoreDumps forbid();
  CoreDumps(CoreDumps&&) = default;
  CoreDumps& operator=(CoreDumps&&) = default;

  // The limit that a child gets back, null if none was changed. Only the soft limit was lowered, so restoring
  // it needs no privilege.
  [[nodiscard]] const rlimit* found_limit() const { return limit_ ? &*limit_ : nullptr; }

  // The filter belongs to the memory map that a vforked child shares and that exec inherits, so the parent
  // restores it for the moment of a start and clears it again.
  void open_filter() const;
  void close_filter() const;

 private:
  CoreDumps() = default;

  std::optional<rlimit> limit_;
  std::string filter_;  // as read, "0x33"; empty if not changed
  Fd filter_fd_;
};

}  // namespace spiffe::process
