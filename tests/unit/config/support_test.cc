#include "unit/config/support.hh"

#include <filesystem>
#include <fstream>

#include <stdlib.h>

#include "support/catch.hh"

namespace spiffe::config::test {

WorkingDirectory::WorkingDirectory() : before_(std::filesystem::current_path()) {
  std::string pattern = std::filesystem::temp_directory_path() / "config-test-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
  std::filesystem::current_path(path_);
}

WorkingDirectory::~WorkingDirectory() {
  std::error_code ignored;
  std::filesystem::current_path(before_, ignored);
  std::filesystem::remove_all(path_, ignored);
}

void WorkingDirectory::write(const std::string& name, std::string_view text) const {
  std::ofstream out(std::filesystem::path(path_) / name, std::ios::binary);
  out << text;
}

Result<Loaded> load_text(const Given& given) {
  const WorkingDirectory directory;
  directory.write(given.file, given.text);
  LoadOptions options;
  options.path = given.file;
  options.path_given = true;
  options.environment = given.environment;
  options.flags = given.flags;
  return load(options);
}

Loaded must_load(const Given& given) {
  auto loaded = load_text(given);
  INFO(given.text);
  if (!loaded) FAIL(loaded.error().message);
  return *std::move(loaded);
}

std::vector<std::string> warnings_of(const Loaded& loaded) {
  std::vector<std::string> out;
  for (const Warning& warning : loaded.warnings) out.push_back(warning.at + " | " + warning.message);
  return out;
}

namespace {

void check_refused(const Given& given, const char* message, const char* hint) {
  const auto loaded = load_text(given);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().message == message);
  CHECK(loaded.error().hint == hint);
  const bool address = loaded.error().message.contains("address \"");
  CHECK(loaded.error().kind == (address ? ErrorKind::address : ErrorKind::config));
}

}  // namespace

void check_mistakes(std::span<const Mistake> mistakes) {
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.name);
    check_refused({.text = mistake.text, .file = mistake.file}, mistake.message, mistake.hint);
  }
}

void check_mistaken_settings(std::span<const MistakenSetting> mistakes) {
  for (const MistakenSetting& mistake : mistakes) {
    INFO(mistake.name);
    Given given{.text = std::string(kFiles)};
    if (*mistake.key == '\0') {
      given.environment = {{mistake.source, mistake.value}};
    } else {
      given.flags = {{mistake.key, mistake.value, mistake.source}};
    }
    check_refused(given, mistake.message, mistake.hint);
  }
}

}  // namespace spiffe::config::test
