#include "base/text.hh"

#include <array>

#include "support/catch.hh"

using namespace std::string_view_literals;
using namespace spiffe;

TEST_CASE("escape keeps printable characters and writes the others like Go") {
  CHECK(escape("plain text, ünïcode ☃ 𝄞") == "plain text, ünïcode ☃ 𝄞");
  CHECK(escape("a\nb\tc\rd") == "a\\nb\\tc\\rd");
  CHECK(escape("\a\b\f\v"sv) == "\\a\\b\\f\\v");
  CHECK(escape("\0\x1b[31m\x7f"sv) == "\\x00\\x1b[31m\\x7f");
  CHECK(escape("\xff\xfe") == "\\xff\\xfe");
  CHECK(escape("\xc2\x9b!") == "\\u009b!");  // CSI in one character
  CHECK(escape("\xc2\xa0") == "\xc2\xa0");
  // Characters that some readers take for a line end, that change the text direction, or that are invisible.
  CHECK(escape("a\u2028b\u202ec\u2066d\u200fe") == "a\\u2028b\\u202ec\\u2066d\\u200fe");
  CHECK(escape("a\u202eb\u2066c\u2028d\u200be\ufefff\u00adg") ==
        R"(a\u202eb\u2066c\u2028d\u200be\ufefff\u00adg)");
  CHECK(escape("\U000e0041") == R"(\U000e0041)");
  CHECK(escape("\u2027\u202f\u2070\ufefe") == "\u2027\u202f\u2070\ufefe");
  CHECK(escape("\"\\") == "\"\\");
  CHECK(escape("").empty());
}

TEST_CASE("quote escapes quotes and backslashes too") {
  CHECK(quote("") == "\"\"");
  CHECK(quote("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(quote("a\nb") == "\"a\\nb\"");
}

TEST_CASE("a long text is cut at a byte before it is escaped, and the cut is visible") {
  CHECK(quote("", 3) == "\"\"");
  CHECK(quote("a\"b", 3) == "\"a\\\"b\"");
  CHECK(quote("a\"bc", 3) == "\"a\\\"b\"…");
  CHECK(escape("a\"\n", 3) == "a\"\\n");
  CHECK(escape("a\"\nd", 3) == "a\"\\n…");
  CHECK(escape("abé", 3) == "ab\\xc3…");
}

TEST_CASE("utf8_length knows every form that is not UTF-8") {
  CHECK(utf8_length("") == 0);
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length("é") == 2);
  CHECK(utf8_length("☃") == 3);
  CHECK(utf8_length("𝄞") == 4);
  CHECK(utf8_length("\x80") == 0);              // a continuation by itself
  CHECK(utf8_length("\xc0\x80") == 0);          // overlong
  CHECK(utf8_length("\xc1\xbf") == 0);          // overlong
  CHECK(utf8_length("\xe0\x9f\xbf") == 0);      // overlong
  CHECK(utf8_length("\xf0\x8f\xbf\xbf") == 0);  // overlong
  CHECK(utf8_length("\xed\xa0\x80") == 0);      // a surrogate
  CHECK(utf8_length("\xed\x9f\xbf") == 3);
  CHECK(utf8_length("\xf4\x8f\xbf\xbf") == 4);  // U+10FFFF
  CHECK(utf8_length("\xf4\x90\x80\x80") == 0);  // beyond it
  CHECK(utf8_length("\xf5\x80\x80\x80") == 0);
  CHECK(utf8_length("\xe2\x98") == 0);  // cut short
  CHECK(utf8_length("\xc3") == 0);
  CHECK(utf8_length("\xe2\x98x") == 0);
}

TEST_CASE("lower touches ASCII letters only") {
  CHECK(lower("ABC-xyz 9") == "abc-xyz 9");
  CHECK(lower("Ä") == "Ä");
}

TEST_CASE("one_of reads as a sentence") {
  CHECK(one_of({}).empty());
  CHECK(one_of(std::array{"a"sv}) == "a");
  CHECK(one_of(std::array{"a"sv, "b"sv}) == "a or b");
  CHECK(one_of(std::array{"a"sv, "b"sv, "c"sv}) == "a, b or c");
}

TEST_CASE("nearest suggests likely typos only") {
  constexpr std::array keys = {"agent_address"sv, "cert_dir"sv, "hint"sv, "cmd"sv, "cmd_args"sv};
  CHECK(nearest("agent_adress", keys) == "agent_address");
  CHECK(nearest("CERT_DIR", keys) == "cert_dir");
  CHECK(nearest("cert-dir", keys) == "cert_dir");
  CHECK(nearest("hnit", keys).empty());
  CHECK(nearest("hin", keys) == "hint");
  CHECK(nearest("cmdargs", keys) == "cmd_args");
  CHECK(nearest("completely_different", keys).empty());
  CHECK(nearest("x", {}).empty());
}

TEST_CASE("nearest finds the long form of a shortened name") {
  constexpr std::array keys = {"svid_file_name"sv,
                               "svid_key_file_name"sv,
                               "svid_bundle_file_name"sv,
                               "key_file_mode"sv,
                               "add_intermediates_to_bundle"sv,
                               "restart"sv,
                               "cmd"sv,
                               "jwt_bundle_file_name"sv};
  CHECK(nearest("add_intermediates", keys) == "add_intermediates_to_bundle");
  CHECK(nearest("addIntermediates", keys) == "add_intermediates_to_bundle");
  CHECK(nearest("svid_file", keys) == "svid_file_name");
  CHECK(nearest("key_file_name", keys) == "svid_key_file_name");
  CHECK(nearest("bundleFileName", keys) == "svid_bundle_file_name");
  CHECK(nearest("intermediates", keys) == "add_intermediates_to_bundle");
  CHECK(nearest("restart_policy", keys) == "restart");
  CHECK(nearest("key_file_mod", keys) == "key_file_mode");
  CHECK(nearest("cmd_completely_other", keys).empty());
  CHECK(nearest("sv", keys).empty());
  CHECK(nearest(std::string(1000, 'a'), keys).empty());
}

TEST_CASE("hex is upper case and two digits a byte") {
  constexpr std::array bytes = {std::byte{0}, std::byte{0x0a}, std::byte{0xff}};
  CHECK(hex(bytes) == "000AFF");
  CHECK(hex({}).empty());
}
