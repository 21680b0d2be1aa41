// Reads the configuration from all its sources. Precedence: flag, environment, file, default.
//
// Keys that this version knows but does not support yet are read and checked like all others. A value with an
// effect (one that differs from the key's default) is then refused, since ignoring it silently would promise
// that effect. A value without an effect, `daemon_mode = true` or `health_checks { listener_enabled = false …
// }`, is accepted.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hh"
#include "config/config.hh"
#include "config/document_reader.hh"
#include "config/settings.hh"
#include "config/warning.hh"

namespace spiffe::config {

// A key given on the command line.
struct FlagValue {
  std::string key;     // "cert_dir", "health_checks.bind_port"
  std::string value;   // lists in JSON or YAML; a boolean flag without a value: "true"
  std::string source;  // as typed, for messages: "-cert-dir"
};

// The entries of an environ(7) array; entries without '=' are skipped.
[[nodiscard]] Environment environment_from(const char* const* entries);

struct LoadOptions {
  std::string path = "helper.conf";  // "": no file
  bool path_given = false;           // a file that is given must exist; the default one need not (see load)
  std::optional<Format> format = std::nullopt;  // not set: from SPIFFE_HLP_CONFIG_FORMAT, or by_name
  std::vector<FlagValue> flags;                 // if a key is repeated, the last one wins
  std::vector<std::string> command;  // after "--": cmd, cmd_args and cmd_mode = "wrap"; empty: none
  Environment environment;  // all of it: SPIFFE_HLP_*, SPIFFE_ENDPOINT_SOCKET …; an empty value is not set
  bool allow_no_output = false;  // for commands that write nothing
  bool again = false;            // must not block: refuses a pipe or a device, which may never answer
  // If set, errors are collected here and these entries are left out, to inspect the rest. Not for a helper
  // that will run with the configuration.
  std::vector<Error>* refused = nullptr;
};

struct Loaded {
  Config config;
  std::vector<Warning> warnings;
  std::string file_used;  // "" if none was read
};

// Reads, binds and validates. Every error has kind config and names its place: "helper.conf:3:17: …",
// "SPIFFE_HLP_CERT_FILE_MODE: …", "-cert-file-mode: …". All invalid entries are reported together, the first
// as the error and the others in its `also`; rules between keys are checked once all entries are valid. Reads
// no files but options.path, /etc/passwd and /etc/group. A missing default helper.conf is an error only if no
// output is configured elsewhere.
[[nodiscard]] Result<Loaded> load(const LoadOptions& options);

// The format of the file. The error (kind config): the variable has an unknown format.
[[nodiscard]] Result<Format> format_of(const LoadOptions& options);

// The content of the file. Waits for a pipe or a device until a signal asks to end. Reads at most one byte
// more than the maximum size; the readers then refuse the document.
[[nodiscard]] Result<std::string> read_file(const LoadOptions& options);

// A command-line flag for each key.
struct FlagSpec {
  std::string name;                              // "cert-dir", "health-checks-bind-port"
  std::string key;                               // "cert_dir", "health_checks.bind_port"
  bool boolean = false;                          // may stand alone, meaning true
  std::string value_name;                        // "PATH", "DURATION" …, "" for booleans
  std::string help;                              // one line, lower case, no full stop
  std::span<const std::string_view> words = {};  // the values of a choice
};
[[nodiscard]] std::vector<FlagSpec> flag_table();

}  // namespace spiffe::config
