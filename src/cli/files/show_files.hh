// Explains files in relation to each other: which key matches which certificate, which bundle verifies it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/files/explain.hh"

namespace spiffe::cli {

struct ShownFile {
  std::string path;
  Result<Explained> explained;
  std::string fingerprint = {};  // of the content, as hints.json has it
  bool asked = true;             // false: only read because it is next to a requested file
};

// Explains a file's content. Errors are stored in the result. `password`: as for explain().
[[nodiscard]] ShownFile show_file(const std::string& path, const Result<SecretBytes>& content, WallTime now,
                                  std::size_t width, const SecretBytes* password = nullptr);

// Adds to each key, SVID and token its relation to the other files of its directory.
void relate(std::vector<ShownFile>& files, WallTime now);

// A directory entry that is not a regular file.
struct PassedOver {
  std::string path;
  std::string kind;  // "socket", "pipe", "device"
};

// A directory: its outputs and their layout.
struct ShownDirectory {
  std::string path;
  std::string layout;                   // "snapshot", "plain"
  std::string generation;               // "" if there is none
  std::vector<std::string> files;       // paths, sorted; without names that begin with ".."
  std::vector<PassedOver> passed_over;  // sorted by path
  std::size_t left_out = 0;             // number of files above the limit
};
[[nodiscard]] Result<ShownDirectory> look_into(const std::string& path);

// When the generation of that id was created.
[[nodiscard]] WallTime generation_time(const std::string& id);

}  // namespace spiffe::cli
