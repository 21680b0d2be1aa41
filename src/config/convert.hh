// Converts a configuration file to another syntax without adding anything. Values stay as written, except
// numbers, which the syntaxes spell differently: modes become strings (in YAML 0o644). Old key names are
// replaced by the current ones, and repeated keys are merged. comments.hh describes where comments go. Pure.
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

// `source` and `format` as for read_document(). `to` is hcl, toml, yaml, or by_name: TOML, or HCL if the
// input was TOML. Refuses invalid keys and values as load() does, but accepts owners that this machine does
// not know, and does not check rules between keys. `blocks`: writes cmd, cmd_args, renew_signal and
// pid_file_name as start and reload, like the coming Go helper.
[[nodiscard]] Result<Converted> convert(std::string_view text, const std::string& source, Format format,
                                        Format to, bool blocks = false);

}  // namespace spiffe::config
