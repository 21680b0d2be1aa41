// One helper per set of names: the lock file of a directory of outputs.
//
// "..lock" holds the names of the helper that came first and is flock(2)ed by it. A helper whose names do not
// overlap those, held or not, takes a lock file, data link and generations of its own, told apart by a hash.
// The file stays when the helper ends: removing it would let two helpers lock two files of one name.
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
