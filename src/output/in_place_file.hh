// A file that is written in place: which file the name leads to, whether it may be written, and writing it.
//
// All checks use descriptors, never a name that may lead elsewhere a moment later. A symlink is followed,
// component by component, only if we or root own it.
#pragma once

#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// The file that the name of an output leads to. Movable; owns its descriptors.
struct InPlaceFile {
  Fd held;             // the file's directory, if it is not the place
  int directory = -1;  // `held`, or the place's descriptor
  std::string name;    // the file's name in `directory`
  Fd file;             // O_PATH; none if there is no file
  struct stat st{};    // of the file
  bool through_link = false;
  // Why it must not be written, as the end of a sentence ("it belongs to user 7"); empty if it may be
  // written.
  std::string refusal;
  uid_t refused_user = 0;  // the owner of the refused file
  // Whether the refused file is at the output's own name, so that replacing it by a new file is safe.
  bool at_leaf = false;
};

// Finds the file that the leaf of `item` leads to and checks whether it may be written. A secret is only
// written to a file without further hard links that belongs to us, to root, to the configured owner, or to an
// owner that may be kept (may_keep_owner()). A certificate is not written through a hard link that others
// could have made. An error if the name leads nowhere, except if only the file itself is missing.
Result<InPlaceFile> find_in_place(const Place& place, const Item& item);

// Creates the file if it is missing, corrects owner and mode, and with `content` truncates and writes it.
// Checks the opened file again. Returns whether anything changed. `mounted` means that the name is known to
// be a mount point, which other users cannot create; then no symlink is followed.
Result<bool> write_in_place(const Place& place, const Item& item, bool mounted, bool content);

// Truncates the file that the leaf leads to, if it may be written. Returns whether it had content.
Result<bool> empty_in_place(const Place& place, const Item& item);

}  // namespace spiffe::output
