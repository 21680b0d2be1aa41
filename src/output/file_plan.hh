// The files to write, as a pure function of the configuration. Their content comes with the identity.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.hh"
#include "output/file_set.hh"
#include "output/format.hh"

namespace spiffe::output {

// Modes and owners, which depend on a file's contents.
struct Attributes {
  mode_t cert_file_mode = 0644;
  mode_t key_file_mode = 0600;
  Owner owner;      // of all files
  Owner key_owner;  // overrides `owner`, field by field, for files with a private key

  [[nodiscard]] mode_t mode_of(Contents contents) const;
  [[nodiscard]] Owner owner_of(Contents contents) const;
};

// One output.
struct PlannedFile {
  std::string name;  // as clean_name() returns it; for a directory "<directory>/*"
  mode_t mode = 0644;
  Owner owner;
  Contents contents = Contents::nothing;
  const Format* format = nullptr;  // null: not an X.509 output
};

// The outputs of one X.509 identity.
struct FilePlan {
  std::vector<PlannedFile> files;  // in the order of formats.hh
  EncodeOptions options;

  // Errors are of kind config, for an invalid name.
  static Result<FilePlan> make(const std::string& cert_dir, const OutputNames& names,
                               const EncodeOptions& options, const Attributes& attributes);

  // Makes the files' bytes. Pure; an error only if an output cannot be made from this identity.
  [[nodiscard]] Result<FileSet> encode(const Source& source) const;

  // The names of the outputs that contain any of these.
  [[nodiscard]] std::vector<std::string> names_with(Contents any) const;
};

}  // namespace spiffe::output
