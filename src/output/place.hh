// Shared data of the publisher's parts about one directory of outputs. Passive.
#pragma once

#include <string>

#include "base/openssl.hh"
#include "output/directory.hh"
#include "output/file_set.hh"
#include "output/notice.hh"
#include "output/own_names.hh"

namespace spiffe::output {

struct Place {
  Directory directory;
  OwnNames names;
  TemporaryNames temporaries;
  Notices* notices;  // the publisher's, never null

  [[nodiscard]] int fd() const { return directory.fd(); }
};

// One file of a publication: its name within the place and the SHA-256 of its content.
struct Item {
  const File* file = nullptr;
  std::string leaf;
  Sha256 digest{};
};

}  // namespace spiffe::output
