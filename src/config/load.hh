// Reads the configuration from all its sources. Order: flag, environment, file, default.
//
// Keys that this version knows but does not support yet are read and checked like all others; then a value
// that asks for something (differs from the key's default) is refused: silence would be a promise. A value
// that asks for nothing, `daemon_mode = true` or `health_checks { listener_enabled = false … }`, is accepted.
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

// The entries of an environ(7) array; those without '=' are left out.
[[nodiscard]] Environment environment_from(const char* const* entries);

struct LoadOptions {
  std::string path = "helper.conf";  // "": no file
  bool path_given = false;  // a file that was asked for must exist; the default one need not (see load)
  std::optional<Format> format = std::nullopt;  // not set: as SPIFFE_HLP_CONFIG_FORMAT says, or by_name
  std::vector<FlagValue> flags;                 // of one key the last wins
  std::vector<std::string> command;  // behind "--": cmd, cmd_args and cmd_mode = "wrap"; empty: none
  Environment environment;  // all of it: SPIFFE_HLP_*, SPIFFE_ENDPOINT_SOCKET …; an empty value is not set
  bool allow_no_output = false;  // for commands that write nothing
  bool again = false;            // while others wait: a pipe or a device, which may never answer, is refused
  // Where given, what cannot be used is told here and left out: for a look at all the rest. Not for a helper
  // that is to run with it.
  std::vector<Error>* refused = nullptr;
};

struct Loaded {
  Config config;
  std::vector<Warning> warnings;
  std::string file_used;  // "" where none was read
};

// Reads, binds and validates. Every error has kind config and names its place: "helper.conf:3:17: …",
// "SPIFFE_HLP_CERT_FILE_MODE: …", "-cert-file-mode: …". All entries that cannot be used are reported
// together, the first as the error and the others in its `also`; rules between keys are looked at once all
// are readable. Touches no file but options.path, /etc/passwd and /etc/group. A default helper.conf that does
// not exist is an error only where no output is configured otherwise.
[[nodiscard]] Result<Loaded> load(const LoadOptions& options);

// What the file is to be read as. The error (kind config): a word in the variable that is not a format.
[[nodiscard]] Result<Format> format_of(const LoadOptions& options);

// The file as it is. A pipe or a device is waited for, until a signal asks to end. At most one byte more than
// a document may have: the readers refuse what is too large.
[[nodiscard]] Result<std::string> read_file(const LoadOptions& options);

// A command-line flag for each key.
struct FlagSpec {
  std::string name;                              // "cert-dir", "health-checks-bind-port"
  std::string key;                               // "cert_dir", "health_checks.bind_port"
  bool boolean = false;                          // may stand alone, meaning true
  std::string value_name;                        // "PATH", "DURATION" …, "" for booleans
  std::string help;                              // one line, lower case, no full stop
  std::span<const std::string_view> words = {};  // what it may be, where that is one of a few words
};
[[nodiscard]] std::vector<FlagSpec> flag_table();

}  // namespace spiffe::config
