// What is to be on disk: files with their bytes, modes and owners. Plain data, no I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/secret.hh"

namespace spiffe::output {

// Who shall own a file. Nothing set: whom the kernel gives it to, or who owns the file that it replaces.
struct Owner {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  [[nodiscard]] bool operator==(const Owner&) const = default;
};

// In the order in which the "files" and "in-place" layouts replace them: readers reload when the certificate
// changes, and find key and bundle in place by then.
enum class Role { bundle, key, certificate, other };

struct File {
  std::string name;  // as clean_name() gives it: relative to cert_dir, may contain '/'
  SecretBytes content;
  mode_t mode = 0644;
  Owner owner;
  Role role = Role::other;
  bool secret = false;  // holds a private key or a token
};

// Files that must agree with each other (certificate, key, bundle …). A snapshot holds exactly these; a name
// that was in the previous set and is in this one no more vanishes from disk.
struct FileSet {
  std::vector<File> files;
};

}  // namespace spiffe::output
