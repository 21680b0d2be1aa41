// The file or link at the name of an output, examined without following anything.
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
    helper_link,   // the same for another helper, or for this one with another hash
    foreign_link,  // any other symlink
    file,          // a regular file, see `st`
  };
  Kind kind = Kind::absent;
  struct stat st{};  // for a file only
};

// An error if the name is taken by something that a rename must not replace: a directory, a device, a FIFO.
Result<Leaf> look_at(const Place& place, const std::string& leaf);

// The error of a rename over this leaf, which may belong to another user in a sticky directory.
[[nodiscard]] std::unexpected<Error> fail_to_rename(const Place& place, const std::string& leaf, int code);

// Warns once if replacing this leaf breaks a link that someone has set up.
void warn_of_replacing(const Place& place, const std::string& leaf, const Leaf& found);

// The owner of the new file. -1 means the kernel's default.
struct Ownership {
  uid_t configured_user = static_cast<uid_t>(-1);
  gid_t configured_group = static_cast<gid_t>(-1);
  uid_t kept_user = static_cast<uid_t>(-1);  // taken from the replaced file
  gid_t kept_group = static_cast<gid_t>(-1);
};

// Whether the new content may go to this file's owner although no owner is configured. For a secret, only if
// no other user could have created the file in order to receive it; for a certificate, if the directory is
// not writable by everyone.
[[nodiscard]] bool may_keep_owner(const Place& place, const File& file, const struct stat& before);

// Whether a file with the right content has an acceptable owner.
[[nodiscard]] bool has_good_owner(const Place& place, const File& file, const struct stat& st);

// `before` is the regular file that this one replaces, or null. Warns once if a secret does not keep its
// owner.
Ownership decide_owner(const Place& place, const Item& item, const struct stat* before);

// Sets owner and mode of a file that is new and still empty. A configured owner that cannot be set is an
// error, an owner that was only to be kept is a notice.
Result<void> set_attributes(const Place& place, const Item& item, int fd, const Ownership& ownership);

// Whether the file has the mode and the configured owner of `item`.
[[nodiscard]] bool has_attributes(const struct stat& st, const File& file);

}  // namespace spiffe::output
