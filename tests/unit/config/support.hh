// Loads configurations given as text, in a directory that exists for one test.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hh"

namespace spiffe::config::test {

// Creates a temporary directory and changes to it; changes back and removes it.
class WorkingDirectory {
 public:
  WorkingDirectory();
  ~WorkingDirectory();
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  void write(const std::string& name, std::string_view text) const;

 private:
  std::string path_;
  std::string before_;
};

// The three files that make a configuration complete.
inline constexpr std::string_view kFiles =
    "svid_file_name = \"svid.pem\"\n"
    "svid_key_file_name = \"key.pem\"\n"
    "svid_bundle_file_name = \"bundle.pem\"\n";

struct Given {
  std::string text;
  std::string file = "helper.conf";
  Environment environment = {};
  std::vector<FlagValue> flags = {};
};
// Loads `given` from a file in a fresh directory.
[[nodiscard]] Result<Loaded> load_text(const Given& given);
// The same for text that must load; otherwise the test fails.
[[nodiscard]] Loaded must_load(const Given& given);
// "place | message" of each warning.
[[nodiscard]] std::vector<std::string> warnings_of(const Loaded& loaded);

// A configuration that must be refused, with its whole error message and hint.
struct Mistake {
  const char* name;
  const char* file;
  const char* text;
  const char* message;
  const char* hint;
};
void check_mistakes(std::span<const Mistake> mistakes);

// A variable, or a flag if `key` is not empty.
struct MistakenSetting {
  const char* name;
  const char* source;
  const char* key;
  const char* value;
  const char* message;
  const char* hint;
};
void check_mistaken_settings(std::span<const MistakenSetting> mistakes);

}  // namespace spiffe::config::test
