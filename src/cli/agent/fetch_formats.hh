// The outputs of the daemon, written once by `fetch x509 -write DIR -format LIST`.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "identity/x509_material.hh"
#include "output/file_set.hh"
#include "output/formats.hh"

namespace spiffe::cli {

// The key without "svid_" and "_file_name": "bundle_map".
constexpr std::string_view base_of(const output::Format& format) {
  std::string_view name = format.key;
  constexpr std::string_view kBefore = "svid_";
  constexpr std::string_view kBehind = "_file_name";
  if (name.starts_with(kBefore)) name.remove_prefix(kBefore.size());
  if (name.ends_with(kBehind)) name.remove_suffix(kBehind.size());
  return name;
}

// The three files of the Go helper, which `fetch -write` (fetch_files.hh) writes as format pem.
constexpr bool is_pem(const output::Format& format) {
  return !format.alias.empty();
}

// The values of -format, separated by commas: "pem,pkcs12,bundle-map,...". pkcs12 stands for all outputs that
// take a password. Built at compile time, since flags are constants.
class FetchFormatWords {
 public:
  constexpr FetchFormatWords() {
    append("pem,pkcs12");
    for (const output::Format& format : output::kFormats) {
      if (is_pem(format)) continue;
      append(",");
      append(base_of(format));
    }
  }
  [[nodiscard]] constexpr std::string_view text() const { return {text_.data(), size_}; }

 private:
  constexpr void append(std::string_view more) {
    for (const char c : more) text_.at(size_++) = c == '_' ? '-' : c;
  }
  std::array<char, 1024> text_{};
  std::size_t size_ = 0;
};
inline constexpr FetchFormatWords kFetchFormatWords;

struct FetchFormats {
  bool pem = true;
  std::vector<const output::Format*> outputs;  // in the order of the table, without duplicates

  // Whether any of them takes a password.
  [[nodiscard]] bool takes_password() const;
};

// Parses a list separated by commas; pem if it is empty. Errors are of kind usage and list the values. Pure.
[[nodiscard]] Result<FetchFormats> parse_fetch_formats(std::string_view list);

// Output directories: their name, and the names that they may contain (output::Format::members).
using Folders = std::map<std::string, std::string_view>;

// The files to write.
struct FetchedFiles {
  std::vector<output::File> files;  // "combined.0.pem", "bundle_dir.0/example.org.pem"
  Folders folders;                  // "bundle_dir.0"
};

// The outputs for each SVID in `material`, which is valid, numbered in its order. Keys are PKCS#8 and precede
// the chain in combined files: the defaults of the configuration. `password`: of keystores and truststores;
// null: the default. Fails if an SVID cannot be written in a format. Pure.
[[nodiscard]] Result<FetchedFiles> formatted_files(const identity::X509Material& material,
                                                   const FetchFormats& formats, WallTime now,
                                                   const SecretBytes* password);

}  // namespace spiffe::cli
