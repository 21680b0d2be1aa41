// Which files there are to be, as the configuration has it: a pure function of it. What is in them comes with
// the identity.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.hh"
#include "output/file_set.hh"
#include "output/format.hh"

namespace spiffe::output {

// Modes and owners, which go by what a file holds.
struct Attributes {
  mode_t cert_file_mode = 0644;
  mode_t key_file_mode = 0600;
  Owner owner;      // of all files
  Owner key_owner;  // overrides `owner`, field by field, where a private key is inside

  [[nodiscard]] mode_t mode_of(Contents contents) const;
  [[nodiscard]] Owner owner_of(Contents contents) const;
};

// One output.
struct PlannedFile {
  std::string name;  // as clean_name() gives it; of a directory: "<directory>/*"
  mode_t mode = 0644;
  Owner owner;
  Contents contents = Contents::nothing;
  const Format* format = nullptr;  // null: no X.509 output
};

// The outputs of one X.509 identity.
struct FilePlan {
  std::vector<PlannedFile> files;  // in the order of formats.hh
  EncodeOptions options;

  // Errors are of kind config: a name that is none.
  static Result<FilePlan> make(const std::string& cert_dir, const OutputNames& names,
                               const EncodeOptions& options, const Attributes& attributes);

  // The bytes. Pure; fails only where an output cannot be made from this identity.
  [[nodiscard]] Result<FileSet> encode(const Source& source) const;

  // Whether an output takes Source::keystore_password.
  [[nodiscard]] bool takes_password() const;

  // The names of the outputs that hold any of these.
  [[nodiscard]] std::vector<std::string> names_with(Contents any) const;
};

}  // namespace spiffe::output
