#include "base/log.hh"

#include <array>
#include <thread>

#include <unistd.h>

#include "base/fd.hh"
#include "support/catch.hh"

using namespace spiffe;
using log::Fields;
using log::Format;
using log::Level;

namespace {

constexpr const char* kTime = "2026-01-02T03:04:05Z";

std::string text(Level level, std::string_view message, const Fields& fields = {}) {
  return log::format_line(Format::text, false, kTime, level, message, fields);
}

std::string json_line(std::string_view message, const Fields& fields = {}) {
  return log::format_line(Format::json, false, kTime, Level::info, message, fields);
}

std::string console(bool colour, Level level, std::string_view message, const Fields& fields = {}) {
  return log::format_line(Format::console, colour, kTime, level, message, fields);
}

// The log output of `lines` at `level`.
template <class Lines>
std::string written(Level level, Format format, Lines lines) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  log::configure(level, format, writer.get());
  lines();
  log::configure(Level::info, Format::text);
  writer.reset();
  std::string out(65536, '\0');
  const ssize_t n = ::read(reader.get(), out.data(), out.size());
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

}  // namespace

TEST_CASE("text lines are exactly like logrus's") {
  CHECK(text(Level::info, "Launching daemon") ==
        "time=\"2026-01-02T03:04:05Z\" level=info msg=\"Launching daemon\" system=spiffe-helper");
  CHECK(text(Level::warning, "Exiting") ==
        "time=\"2026-01-02T03:04:05Z\" level=warning msg=Exiting system=spiffe-helper");
  CHECK(
      text(Level::info, "Received update", {{"spiffe_id", "spiffe://example.org/a"}}) ==
      "time=\"2026-01-02T03:04:05Z\" level=info msg=\"Received update\" spiffe_id=\"spiffe://example.org/a\" "
      "system=spiffe-helper");
}

TEST_CASE("every level has logrus's name") {
  const auto level_of = [](Level level) {
    const std::string line = text(level, "x");
    return line.substr(line.find("level="), line.find(" msg") - line.find("level="));
  };
  CHECK(level_of(Level::debug) == "level=debug");
  CHECK(level_of(Level::info) == "level=info");
  CHECK(level_of(Level::warning) == "level=warning");
  CHECK(level_of(Level::error) == "level=error");
  CHECK(level_of(Level::fatal) == "level=fatal");
}

TEST_CASE("fields are in key order, including system") {
  CHECK(text(Level::error, "x",
             {{"zone", "z"}, {"tries", "3"}, {"error", "e"}, {"sys", "1"}, {"systems", "2"}}) ==
        "time=\"2026-01-02T03:04:05Z\" level=error msg=x error=e sys=1 system=spiffe-helper systems=2 "
        "tries=3 zone=z");
}

TEST_CASE("values are quoted if they contain anything but letters, digits and -._/@^+") {
  const auto value = [](std::string v) {
    const std::string line = text(Level::info, "x", {{"a", std::move(v)}});
    const auto begin = line.find(" a=") + 3;
    return line.substr(begin, line.find(" system=") - begin);
  };
  CHECK(value("azAZ09-._/@^+") == "azAZ09-._/@^+");
  CHECK(value("") == "");
  for (const char c : std::string("!\"#$%&'()*,:;<=>?[\\]`{|}~ ")) {
    CAPTURE(c);
    CHECK(value(std::string(1, c)).starts_with('"'));
  }
  CHECK(value("é") == "\"é\"");
  CHECK(value("a\nb") == "\"a\\nb\"");
  CHECK(value("say \"hi\"") == "\"say \\\"hi\\\"\"");
  CHECK(value("\xff") == "\"\\xff\"");
}

TEST_CASE("a text line is one line, whatever its content") {
  const std::string line = text(Level::info, "a\nb\x1b[2J", {{"k", "c\r\nd"}});
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\r') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
}

TEST_CASE("a JSON line is one object: time, level, msg, then the fields in key order") {
  CHECK(
      json_line("Received update", {{"spiffe_id", "spiffe://example.org/a"}, {"event", "svid_published"}}) ==
      "{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"info\",\"msg\":\"Received update\","
      "\"event\":\"svid_published\",\"spiffe_id\":\"spiffe://example.org/a\",\"system\":\"spiffe-helper\"}");
}

TEST_CASE("a JSON line is JSON, whatever its content") {
  CHECK(json_line("a\"b\\c\n\x7f\x01é").find("\"msg\":\"a\\\"b\\\\c\\u000a\\u007f\\u0001é\"") !=
        std::string::npos);
  CHECK(json_line("\xff!").find("\"msg\":\"\\ufffd!\"") != std::string::npos);
  CHECK(json_line("x", {{"k\"", "\n"}}).find("\"k\\\"\":\"\\u000a\"") != std::string::npos);
}

TEST_CASE("a console line is short, and coloured on request") {
  CHECK(console(false, Level::warning, "low disk", {{"path", "/tmp"}}) ==
        "03:04:05 warning low disk  path=/tmp");
  CHECK(console(false, Level::info, "a\x1b[2J") == "03:04:05 info    a\\x1b[2J");
  CHECK(console(true, Level::error, "x").find("\x1b[31merror   \x1b[0m") != std::string::npos);
}

TEST_CASE("lines below the level are not written") {
  const std::string out = written(Level::warning, Format::text, [] {
    log::info("no");
    log::warning("yes");
    CHECK_FALSE(log::enabled(Level::info));
    log::set_level(Level::debug);
    log::debug("late");
  });
  CHECK(out.find("no") == std::string::npos);
  CHECK(out.find("msg=yes system=spiffe-helper\n") != std::string::npos);
  CHECK(out.find("msg=late") != std::string::npos);
}

TEST_CASE("lines of several threads never mix") {
  const std::string out = written(Level::info, Format::json, [] {
    std::array<std::thread, 4> threads;
    for (auto& thread : threads) {
      thread = std::thread([] {
        for (int i = 0; i < 20; ++i) log::info("0123456789", {{"k", "abcdefghij"}});
      });
    }
    for (auto& thread : threads) thread.join();
  });
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin < out.size(); ++lines) {
    const std::size_t end = out.find('\n', begin);
    REQUIRE(end != std::string::npos);
    REQUIRE(out[begin] == '{');
    REQUIRE(out[end - 1] == '}');
    begin = end + 1;
  }
  CHECK(lines == 80);
}

TEST_CASE("levels and formats are read by name") {
  CHECK(log::parse_level("debug") == Level::debug);
  CHECK(log::parse_level("WARN") == Level::warning);
  CHECK(log::parse_level("Warning") == Level::warning);
  CHECK(log::parse_level("error") == Level::error);
  CHECK(log::parse_level("Trace") == Level::debug);
  CHECK(log::parse_level("FATAL") == Level::error);
  CHECK(log::parse_level("panic") == Level::error);
  CHECK(log::parse_level("loud\n").error().message ==
        "expected debug, info, warning or error, found \"loud\\n\"");
  CHECK(log::parse_format("json") == Format::json);
  CHECK(log::parse_format("Text") == Format::text);
  CHECK(log::parse_format("auto") == Format::automatic);
  CHECK(log::parse_format("xml").error().message == "expected text, json or auto, found \"xml\"");
}
