// File modes. The Go helper reads numbers as Go does, so `644` means decimal 644, which is 01204. Here:
// - 0644 (and 0x1a4, TOML's 0o644, any string: "644", "0644", "0o644") is used as written; a string is octal.
// - 256 288 292 384 416 420 432 436 are the decimal forms of 0400 0440 0444 0600 0640 0644 0660 0664, as in
//   Kubernetes manifests, and are accepted silently.
// - Any other number of three digits 0 to 7 is read as octal, with a warning.
// - All other numbers are decimal, with a warning.
// - A number without a prefix that would give others access to a key file is an error.
// - 0 is the default, below 0 is an error, bits above 0777 are dropped with a warning.
#pragma once

#include <sys/types.h>

#include "config/readers.hh"

namespace spiffe::config {

enum class KeyFile { no, yes };

[[nodiscard]] Result<mode_t> read_mode(const Reading& in, mode_t fallback, KeyFile key_file);
[[nodiscard]] Value show_mode(mode_t mode);  // the string "0644"

template <mode_t fallback, KeyFile key_file = KeyFile::no>
struct Mode {
  using Type = mode_t;
  static constexpr KeyType kType = KeyType::mode;
  static constexpr std::string_view value_name() { return "MODE"; }
  static Result<mode_t> read(const Reading& in) { return read_mode(in, fallback, key_file); }
  static Value show(mode_t mode) { return show_mode(mode); }
};

}  // namespace spiffe::config
