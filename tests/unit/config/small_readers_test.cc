// Integers, durations, arguments and paths, compared with the results of Go's functions.
#include "config/csv_args.hh"
#include "config/duration.hh"
#include "config/integer.hh"
#include "config/path_join.hh"
#include "support/catch.hh"

namespace spiffe::config {

namespace {

using Args = std::vector<std::string>;

Args args(std::string_view text) {
  const auto split = split_args(text);
  return split ? *split : Args{"error: " + split.error().message};
}

// "90000000000 1m30s", or the error.
std::string duration(std::string_view text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return parsed.error().message;
  return std::to_string(parsed->count()) + " " + format_duration(*parsed);
}

}  // namespace

TEST_CASE("integers are parsed like Go's ParseInt with base 0") {
  struct Row {
    std::string_view text;
    std::optional<std::int64_t> value;
  };
  constexpr Row kRows[] = {
      {"0", 0},       {"8081", 8081},  {"-5", -5},      {"+5", 5},
      {"0644", 0644}, {"0o644", 0644}, {"0O644", 0644}, {"0x1F", 31},
      {"0X1f", 31},   {"0b11", 3},     {"-0x10", -16},  {"1_000", 1000},
      {"0x_1f", 31},  {"0_644", 0644}, {"00", 0},       {"9223372036854775807", INT64_MAX},
      {"", {}},       {"-", {}},       {" 1", {}},      {"1 ", {}},
      {"08", {}},     {"0x", {}},      {"0b2", {}},     {"1__0", {}},
      {"_1", {}},     {"1_", {}},      {"1.0", {}},     {"9223372036854775808", {}},
      {"--1", {}},    {"0x-1", {}},    {"0o", {}},      {"-9223372036854775808", INT64_MIN},
  };
  for (const Row& row : kRows) {
    INFO(row.text);
    CHECK(parse_integer(row.text) == row.value);
  }
}

TEST_CASE("durations are parsed and formatted like Go's") {
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"1m30s", "90000000000 1m30s"},
      {"0", "0 0s"},
      {"0s", "0 0s"},
      {"-1s", "-1000000000 -1s"},
      {"+5s", "5000000000 5s"},
      {"1.5h", "5400000000000 1h30m0s"},
      {".5s", "500000000 500ms"},
      {"-.5s", "-500000000 -500ms"},
      {"1.s", "1000000000 1s"},
      {"1us", "1000 1\xC2\xB5s"},
      {"1\xC2\xB5s", "1000 1\xC2\xB5s"},
      {"1\xCE\xBCs", "1000 1\xC2\xB5s"},
      {"1ns", "1 1ns"},
      {"1ms500us", "1500000 1.5ms"},
      {"1h0m0s", "3600000000000 1h0m0s"},
      {"60s", "60000000000 1m0s"},
      {"0.000000000001s", "0 0s"},
      {"0.9223372036854775808h", "3320413933267 55m20.413933267s"},
      {"9223372036854775807ns", "9223372036854775807 2562047h47m16.854775807s"},
      {"-9223372036854775808ns", "-9223372036854775808 -2562047h47m16.854775808s"},
      {"9223372036854775808ns", "is longer than 292 years"},
      {"3000000h", "is longer than 292 years"},
      {"100000000000000000000ns", "is longer than 292 years"},
      {"1", "has no unit"},
      {"1h1", "has no unit"},
      {"", "is not a duration"},
      {"-", "is not a duration"},
      {"s", "is not a duration"},
      {".s", "is not a duration"},
      {"1d", "has the unknown unit \"d\""},
      {"1h 1s", "has the unknown unit \"h \""},
      {"1e3s", "has the unknown unit \"e\""},
  };
  for (const auto& [text, expected] : kRows) {
    INFO(text);
    CHECK(duration(text) == expected);
  }
}

TEST_CASE("arguments are split at spaces like Go's CSV reader does") {
  const std::pair<std::string_view, Args> kRows[] = {
      {"", {}},
      {"a b", {"a", "b"}},
      {"a  b", {"a", "", "b"}},
      {" a", {"", "a"}},
      {"a ", {"a", ""}},
      {"  ", {"", "", ""}},
      {"\"a b\" c", {"a b", "c"}},
      {"\"a\"\"b\" c", {"a\"b", "c"}},
      {"\"\" x", {"", "x"}},
      {"\"a\" ", {"a", ""}},
      {"'a b'", {"'a", "b'"}},
      {"a\tb", {"a\tb"}},
      {"\n\na b\nc d", {"a", "b"}},
      {" \n a", {"", ""}},
      {"a\r\nb", {"a"}},
      {"a\r", {"a"}},
      {"a\rb", {"a\rb"}},
      {"\"a\nb\" c", {"a\nb", "c"}},
      {"\"a\r\nb\"", {"a\nb"}},
      {"\"a\"\r\n", {"a"}},
      {"\"a\"\n\"b\"", {"a"}},
      {"a\"b", {"error: has a quote inside an unquoted argument at column 2"}},
      {"a b\"c\"", {"error: has a quote inside an unquoted argument at column 4"}},
      {"\"a\"b", {"error: has text behind a closing quote at column 4"}},
      {"\"a", {"error: has a quote that is never closed at column 1"}},
      {"\"a b\" \"c", {"error: has a quote that is never closed at column 7"}},
  };
  for (const auto& [text, expected] : kRows) {
    INFO(text);
    CHECK(args(text) == expected);
  }
}

TEST_CASE("paths are joined and cleaned like Go's package path does") {
  constexpr std::string_view kRows[][3] = {
      {"certs", "svid.pem", "certs/svid.pem"},
      {"", "svid.pem", "svid.pem"},
      {"", "/etc/x", "/etc/x"},
      {"/certs", "/etc/x", "/certs/etc/x"},
      {"certs", "../x", "x"},
      {"certs", "a/../../x", "x"},
      {"", "", ""},
      {"certs", "", "certs"},
      {".", "x", "x"},
      {"/", "..", "/"},
      {"certs//", ".//x/", "certs/x"},
      {"certs/..", "x", "x"},
      {"../..", "x/..", "../.."},
      {"/../a", "b", "/a/b"},
      {"./", "./.", "."},
  };
  for (const auto& [directory, name, expected] : kRows) {
    INFO(directory << " + " << name);
    CHECK(join_path(directory, name) == expected);
  }
}

TEST_CASE("names that lead out of a directory are recognised") {
  for (const std::string_view name : {"..", "../x", "a/../../x", "/../x", ".", "", "a/..", "/"}) {
    INFO(name);
    CHECK(leaves_directory(name));
  }
  for (const std::string_view name : {"x", "a/x", "/etc/x", "a/../x", "..x", "x/", "./x"}) {
    INFO(name);
    CHECK_FALSE(leaves_directory(name));
  }
}

}  // namespace spiffe::config
