// One helper per set of names: the lock file of a directory of outputs.
//
// "..lock" holds the names of the helper that came first and is flock(2)ed by it. A helper whose names do not
// overlap those, held or not, takes a lock file, data link and generations of its own, told apart by a hash.
// Whoever locks the file looks whether it still has its name, so it may be removed, by its holder alone: at
// the end of one-shot, and of the layouts that leave no generation. Else it stays, and says whose generations
// those are. A lock file that another user made is respected while it is held, and replaced when it is not:
// never written, as it may be a hard link of some other file, nor believed about the pid.
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

// Holding it is having `fd` open. Without an fd the file system knows no locks: work goes on unguarded.
struct Lock {
  Fd fd;
  OwnNames names;
  bool may_clean = true;  // false where even a lock file could not be had: what lies there may be another's
};

// `leaves`: the outputs in this directory; "*" is all of them. Never waits: error kind `locked` where another
// helper holds one of the names. `optional`: a directory that does not take a lock file is no error.
Result<Lock> take_lock(const Directory& directory, std::span<const std::string> leaves, bool optional,
                       Notices& notices);

// Removes the lock file, if this one is it; the lock itself is held until its descriptor is closed.
void remove_lock(const Directory& directory, const Lock& lock);

// Whether `name` still names the file that is locked: in a cleaned directory the next helper makes a new one.
[[nodiscard]] bool still_named(const Directory& directory, const std::string& name, int fd);

// What a lock file says. Pure.
struct LockRecord {
  bool whole = false;  // else it is new, or being written, or not a lock file
  std::string pid;
  std::vector<std::string> leaves;
  [[nodiscard]] bool overlaps(std::span<const std::string> others) const;
};
[[nodiscard]] LockRecord parse_lock(std::string_view text);
[[nodiscard]] std::string format_lock(std::string_view pid, std::span<const std::string> leaves);

}  // namespace spiffe::output
