#include "config/file_mode.hh"

#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

namespace {

// The result of `line` for cert_file_mode or key_file_mode: "0644", followed by its warning; or the error.
std::string mode(std::string_view line, const std::string& file = "helper.conf") {
  const auto loaded =
      test::load_text({.text = std::string(test::kFiles) + std::string(line) + "\n", .file = file});
  if (!loaded) return loaded.error().message;
  const bool key = line.starts_with("key");
  std::string out = show_mode(key ? loaded->config.key_file_mode : loaded->config.cert_file_mode).text;
  for (const Warning& warning : loaded->warnings) out += "; " + warning.message;
  return out;
}

}  // namespace

TEST_CASE("a mode with a prefix, and any string, is used as written") {
  CHECK(mode("cert_file_mode = 0644") == "0644");
  CHECK(mode("cert_file_mode = 0440") == "0440");
  CHECK(mode("cert_file_mode = 0x1a4") == "0644");
  CHECK(mode("cert_file_mode = \"0644\"") == "0644");
  CHECK(mode("cert_file_mode = \"0o640\"") == "0640");
  CHECK(mode("cert_file_mode = \"640\"") == "0640");
  CHECK(mode("cert_file_mode = \"420\"") == "0420");
  CHECK(mode("cert_file_mode = \"0x1a4\"") == "0644");
  CHECK(mode("key_file_mode = 0444") == "0444");
  CHECK(mode("key_file_mode = \"444\"") == "0444");
  CHECK(mode("cert_file_mode = 0o640", "helper.toml") == "0640");
}

TEST_CASE("the decimal numbers of Kubernetes manifests are accepted silently") {
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"256", "0400"}, {"288", "0440"}, {"292", "0444"}, {"384", "0600"},
      {"416", "0640"}, {"420", "0644"}, {"432", "0660"}, {"436", "0664"},
  };
  for (const auto& [number, expected] : kRows) {
    CHECK(mode("cert_file_mode = " + std::string(number)) == expected);
  }
  CHECK(mode("key_file_mode = 416") == "0640");
}

TEST_CASE("three octal digits without a prefix are read as octal, with a warning") {
  CHECK(mode("cert_file_mode = 644") == "0644; cert_file_mode = 644 is read as 0644: write 0644");
  CHECK(mode("cert_file_mode = 444") == "0444; cert_file_mode = 444 is read as 0444: write 0444");
  CHECK(mode("key_file_mode = 600") == "0600; key_file_mode = 600 is read as 0600: write 0600");
  CHECK(mode("cert_file_mode = 640", "helper.toml") ==
        "0640; cert_file_mode = 640 is read as 0640: write 0o640");
}

TEST_CASE("other numbers without a prefix are decimal, with a warning") {
  CHECK(mode("cert_file_mode = 493") == "0755; cert_file_mode = 493 is read as decimal, 0755: write 0755");
  CHECK(mode("cert_file_mode = 1204") ==
        "0264; cert_file_mode = 1204: the bits above 0777 are dropped, 0264 is left");
}

TEST_CASE("0 is the default, in any spelling") {
  CHECK(mode("cert_file_mode = 0") == "0644");
  CHECK(mode("key_file_mode = 0") == "0600");
  CHECK(mode("key_file_mode = \"0\"") == "0600");
  CHECK(mode("key_file_mode = 00") == "0600");
}

TEST_CASE("bits above 0777 are dropped with a warning") {
  CHECK(mode("cert_file_mode = 01644") ==
        "0644; cert_file_mode = 01644: the bits above 0777 are dropped, 0644 is left");
}

TEST_CASE("a number without a prefix does not give others access to a key") {
  for (const std::string_view number : {"444", "644", "604", "777", "292", "420", "436", "493", "1204"}) {
    INFO(number);
    const std::string outcome = mode("key_file_mode = " + std::string(number));
    CHECK(outcome.find("gives others access to the key") != std::string::npos);
  }
}

TEST_CASE("a value that is not a mode is refused") {
  const std::string rule = "helper.conf:4:18: cert_file_mode must be a file mode such as 0644, not ";
  CHECK(mode("cert_file_mode = \"\"") == rule + "the string \"\"");
  CHECK(mode("cert_file_mode = \"0849\"") == rule + "the string \"0849\"");
  CHECK(mode("cert_file_mode = \" 644\"") == rule + "the string \" 644\"");
  CHECK(mode("cert_file_mode = 6.44") == rule + "the number 6.44");
  CHECK(mode("cert_file_mode = true") == rule + "true");
  CHECK(mode("cert_file_mode = 99999999999999999999") == rule + "the number 99999999999999999999");
  CHECK(mode("cert_file_mode = \"-644\"") == "helper.conf:4:18: cert_file_mode must not be negative: -644");
}

}  // namespace spiffe::config
