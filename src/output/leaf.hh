// What stands at the name of an output, looked at without following anything.
#pragma once

#include <string>

#include <sys/stat.h>

#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

struct Leaf {
  enum class Kind {
    absent,
    our_link,      // exactly "..data/<leaf>" of this helper
    helper_link,   // the same of another helper, or of this one under another hash
    foreign_link,  // any other symlink
    file,          // a regular file, see `st`
  };
  Kind kind = Kind::absent;
  struct stat st{};  // of a file only
};

// An error where the name is taken by what no rename should replace: a directory, a device, a FIFO.
Result<Leaf> look_at(const Place& place, const std::string& leaf);

// One warning where replacing this leaf takes something away that somebody else arranged.
void warn_of_replacing(const Place& place, const std::string& leaf, const Leaf& found);

// Who shall own the new file. -1: whom the kernel gives it to.
struct Ownership {
  uid_t configured_user = static_cast<uid_t>(-1);
  gid_t configured_group = static_cast<gid_t>(-1);
  uid_t kept_user = static_cast<uid_t>(-1);  // taken over from the file before it
  gid_t kept_group = static_cast<gid_t>(-1);
};

// `before`: the regular file that this one replaces, or null. Where others can write the directory they could
// have put it there to be given a key: nothing is taken over from it.
Ownership decide_owner(const Place& place, const Item& item, const struct stat* before);

// Owner and mode of a file that is new and still empty. A configured owner that cannot be had is an error;
// one that was only to be kept is a notice.
Result<void> set_attributes(const Place& place, const Item& item, int fd, const Ownership& ownership);

// Whether the file has the mode and the configured owner of `item`.
[[nodiscard]] bool has_attributes(const struct stat& st, const File& file);

}  // namespace spiffe::output
