// Shared data of the publisher's parts about one directory of outputs. Passive.
#pragma once

#include <array>
#include <cstddef>
#include <string>

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

using Digest = std::array<std::byte, 32>;

// One file of a publication: its name within the place and the SHA-256 of its content.
struct Item {
  const File* file = nullptr;
  std::string leaf;
  Digest digest{};
};

}  // namespace spiffe::output
