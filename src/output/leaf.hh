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

// The error of a rename over this leaf; in a sticky directory it may be somebody else's.
[[nodiscard]] std::unexpected<Error> fail_to_rename(const Place& place, const std::string& leaf, int code);

// One warning where replacing this leaf takes something away that somebody else arranged.
void warn_of_replacing(const Place& place, const std::string& leaf, const Leaf& found);

// Who shall own the new file. -1: whom the kernel gives it to.
struct Ownership {
  uid_t configured_user = static_cast<uid_t>(-1);
  gid_t configured_group = static_cast<gid_t>(-1);
  uid_t kept_user = static_cast<uid_t>(-1);  // taken over from the file before it
  gid_t kept_group = static_cast<gid_t>(-1);
};

// Whether the new content may be given to whom this file belongs, though no owner is configured. A secret
// only where nobody else could have created the file in order to be given it; a certificate where the
// directory is not open to everybody.
[[nodiscard]] bool may_keep_owner(const Place& place, const File& file, const struct stat& before);

// Whether a file of the right content belongs to whom it may belong.
[[nodiscard]] bool has_good_owner(const Place& place, const File& file, const struct stat& st);

// `before`: the regular file that this one replaces, or null. Warns once where it has the owner of a secret
// and that is not taken over.
Ownership decide_owner(const Place& place, const Item& item, const struct stat* before);

// Owner and mode of a file that is new and still empty. A configured owner that cannot be had is an error;
// one that was only to be kept is a notice.
Result<void> set_attributes(const Place& place, const Item& item, int fd, const Ownership& ownership);

// Whether the file has the mode and the configured owner of `item`.
[[nodiscard]] bool has_attributes(const struct stat& st, const File& file);

}  // namespace spiffe::output
