// A configuration file in the other syntax: what it says, no more. Values stay as they are written, but for
// numbers, which the syntaxes spell differently: modes become strings (in YAML 0o644). Keys take the names of
// today, of a key given twice one is left. Comments go as comments.hh says. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "config/document_reader.hh"
#include "config/warning.hh"

namespace spiffe::config {

struct Converted {
  std::string text;
  std::vector<Warning> warnings;  // of reading it, and of keys that were left out
};

// `source` and `format` as for read_document(). `to` is hcl, toml or yaml; by_name: TOML, or HCL where TOML
// is what it was. Refuses keys and values as load() does, but no owner that this machine does not know, and
// nothing that is wrong only between keys.
// `blocks`: with cmd, cmd_args, renew_signal and pid_file_name in start and reload, as the coming Go helper
// has them.
[[nodiscard]] Result<Converted> convert(std::string_view text, const std::string& source, Format format,
                                        Format to, bool blocks = false);

}  // namespace spiffe::config
