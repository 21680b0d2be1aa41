// Loads configurations given as text, in a directory that lives as long as one test.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hh"

namespace spiffe::config::test {

// Makes a temporary directory and works in it; goes back and removes it.
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
// The same, for text that must load: fails the test otherwise.
[[nodiscard]] Loaded must_load(const Given& given);
// "place | message" of each warning.
[[nodiscard]] std::vector<std::string> warnings_of(const Loaded& loaded);

// A configuration that must be refused, with the whole error message and the hint that comes with it.
struct Mistake {
  const char* name;
  const char* file;
  const char* text;
  const char* message;
  const char* hint;
};
void check_mistakes(std::span<const Mistake> mistakes);

// A variable, or a flag where `key` is not empty.
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
