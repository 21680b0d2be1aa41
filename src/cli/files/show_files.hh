// Explains files together: which key belongs to which certificate, which bundle verifies it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/files/explain.hh"

namespace spiffe::cli {

struct ShownFile {
  std::string path;
  Result<Explained> explained;
  bool asked = true;  // else it is only here since it lies beside one that is
};

// Explains what was read. Never fails as a whole: what is wrong with a file is in its place. `password`: as
// explain() takes it.
[[nodiscard]] ShownFile show_file(const std::string& path, const Result<SecretBytes>& content, WallTime now,
                                  std::size_t width, const SecretBytes* password = nullptr);

// Adds to each key, SVID and token what the files of its directory say about it.
void relate(std::vector<ShownFile>& files, WallTime now);

// Something in a directory that holds no bytes to explain.
struct PassedOver {
  std::string path;
  std::string kind;  // "socket", "pipe", "device"
};

// What a directory is: its outputs, and how they are laid out.
struct ShownDirectory {
  std::string path;
  std::string layout;                   // "snapshot", "plain"
  std::string generation;               // "" where there is none
  std::vector<std::string> files;       // paths, sorted; names that begin with ".." left out
  std::vector<PassedOver> passed_over;  // sorted by path
  std::size_t left_out = 0;             // how many there were too many
};
[[nodiscard]] Result<ShownDirectory> look_into(const std::string& path);

// When the generation of that id was made.
[[nodiscard]] WallTime generation_time(const std::string& id);

}  // namespace spiffe::cli
