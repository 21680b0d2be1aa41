// What is to be on disk: files with their bytes, modes and owners. Plain data, no I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/secret.hh"
#include "output/contents.hh"

namespace spiffe::output {

// Who shall own a file. Nothing set: whom the kernel gives it to, or who owns the file that it replaces.
struct Owner {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  [[nodiscard]] bool operator==(const Owner&) const = default;
};

struct File {
  std::string name;  // as clean_name() gives it: relative to cert_dir, may contain '/'
  SecretBytes content;
  mode_t mode = 0644;
  Owner owner;
  Contents contents = Contents::nothing;
};

// Files that are published as a whole.
struct FileSet {
  std::vector<File> files;
  // False: files that must agree with each other (certificate, key, bundle …). A snapshot holds exactly
  // these; a name that was in the previous set and is not in this one vanishes from disk.
  // True: files apart from that set (a token, a JWKS), replaced by rename, or in place in that layout.
  bool alone = false;
};

}  // namespace spiffe::output
