// Flags and SPIFFE_HLP_* variables as documents of one key each, so that they are bound like a file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.hh"
#include "config/key.hh"
#include "config/warning.hh"

namespace spiffe::config {

// The format of the file if -config-format does not set it.
inline constexpr std::string_view kFormatVariable = "SPIFFE_HLP_CONFIG_FORMAT";

using Environment = std::vector<std::pair<std::string, std::string>>;

// `text` as the value of `key`: lists in JSON or YAML, cmd_args and renew_cmd as a string or a JSON array,
// booleans as in Go's flag package (1, t, T, TRUE, true, True, 0 …), anything else unchanged. Errors name
// `source`.
[[nodiscard]] Result<Document> setting(const Key& key, std::string_view source, const std::string& text);

// The value of a variable, "" if it is not set.
[[nodiscard]] std::string_view variable(const Environment& environment, std::string_view name);

// One warning for each SPIFFE_HLP_* variable that matches no key. (Not an error: a Kubernetes Service called
// spiffe-hlp adds SPIFFE_HLP_PORT and others to every pod.)
void warn_unknown_variables(const Environment& environment, std::vector<Warning>& warnings);

}  // namespace spiffe::config
