// A file that is written where it is: what the name leads to, whether it may be written, and the writing.
//
// Everything is judged by descriptor, never by a name that may lead elsewhere a moment later. A symlink is
// followed, component by component, only where we or root own it.
#pragma once

#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// What the name of an output leads to. Values; the descriptors are owned.
struct InPlaceFile {
  Fd held;             // the directory that holds the file, where that is not the place
  int directory = -1;  // the same, or the place's
  std::string name;    // the file's in there
  Fd file;             // O_PATH; none where there is no file
  struct stat st{};    // of the file
  bool through_link = false;
  // Why it is not to be written, as the end of a sentence ("it belongs to user 7"); empty: it may be written.
  std::string refusal;
  uid_t refused_user = 0;  // who owns what is refused
  // Whether what is refused stands at the output's own name, so that a new file in its stead is safe.
  bool at_leaf = false;
};

// Looks at what the leaf of `item` leads to and whether it may be written. A secret goes into a file without
// further hard links that belongs to us, root, the configured owner, or whom its owner may be kept of; a
// certificate not through a hard link that others could have made. Errors: what leads nowhere for another
// reason than that the file is not there.
Result<InPlaceFile> find_in_place(const Place& place, const Item& item);

// Creates the file where it is not there, puts owner and mode right, and with `content` truncates and writes
// it. Judges once more what it opened. Returns whether anything changed.
// `mounted`: the name is known for a mount point, which nobody can have planted; then no symlink is followed.
Result<bool> write_in_place(const Place& place, const Item& item, bool mounted, bool content);

// Truncates what the leaf leads to, where that may be written. Returns whether there was something.
Result<bool> empty_in_place(const Place& place, const Item& item);

}  // namespace spiffe::output
