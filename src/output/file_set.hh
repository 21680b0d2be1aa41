// Files to be on disk, with their bytes, modes and owners. Plain data, no I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/secret.hh"
#include "output/contents.hh"

namespace spiffe::output {

// The configured owner of a file. A field that is not set keeps the owner of the replaced file, or the
// kernel's default.
struct Owner {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  [[nodiscard]] bool operator==(const Owner&) const = default;
};

struct File {
  std::string name;  // as clean_name() returns it: relative to cert_dir, may contain '/'
  SecretBytes content;
  mode_t mode = 0644;
  Owner owner;
  Contents contents = Contents::nothing;
};

// Files that are published together.
struct FileSet {
  std::vector<File> files;
  // False for files that must agree with each other (certificate, key, bundle …). A snapshot contains exactly
  // these; a name that was in the previous set and is not in this one is removed. True for files outside that
  // set (a token, a JWKS), which are replaced by rename, or in place in that layout.
  bool alone = false;
};

}  // namespace spiffe::output
