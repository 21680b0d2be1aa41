// One helper per set of names: the lock file of a directory of outputs.
//
// "..lock" contains the names of the first helper, which holds it by flock(2). A helper whose names do not
// overlap with those, held or not, uses a lock file, data link and generations of its own, whose names
// contain a hash. After locking, a helper checks that the file still has its name, so that the holder (only
// it) may remove the file: at the end of one-shot mode, and of the layouts without generations. Otherwise the
// file stays and states which names the generations belong to. A lock file made by another user is respected
// while it is held, and replaced when it is not. It is never written, since it may be a hard link to another
// file, and its pid is not trusted.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/directory.hh"
#include "output/notice.hh"
#include "output/own_names.hh"

namespace spiffe::output {

// Held as long as `fd` is open. Without an fd the file system has no locks, and the work goes on without
// protection.
struct Lock {
  Fd fd;
  OwnNames names;
  bool may_clean = true;  // false if no lock file could be made: the files here may be another helper's
};

// `leaves` are the outputs in this directory; "*" means all of them. Never waits: error kind `locked` if
// another helper holds one of the names. With `optional`, it is not an error if no lock file can be made in
// the directory.
Result<Lock> take_lock(const Directory& directory, std::span<const std::string> leaves, bool optional,
                       Notices& notices);

// Removes the lock file if it still is this one; the lock itself is held until its descriptor is closed.
void remove_lock(const Directory& directory, const Lock& lock);

// Whether `name` still leads to the locked file: if the directory was cleaned, the next helper creates a new
// one.
[[nodiscard]] bool still_named(const Directory& directory, const std::string& name, int fd);

// The content of a lock file. Pure.
struct LockRecord {
  bool whole = false;  // false if it is new, being written, or not a lock file
  std::string pid;
  std::vector<std::string> leaves;
  [[nodiscard]] bool overlaps(std::span<const std::string> others) const;
};
[[nodiscard]] LockRecord parse_lock(std::string_view text);
[[nodiscard]] std::string format_lock(std::string_view pid, std::span<const std::string> leaves);

}  // namespace spiffe::output
