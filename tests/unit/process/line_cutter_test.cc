#include "process/line_cutter.hh"

#include <vector>

#include "support/catch.hh"

namespace spiffe::process {
namespace {

using Lines = std::vector<std::string>;

struct Cut {
  Lines lines;
  LineCutter cutter{[this](std::string_view line) { lines.emplace_back(line); }};

  Cut() = default;
  Cut(const Cut&) = delete;
  Cut& operator=(const Cut&) = delete;
};

TEST_CASE_METHOD(Cut, "output is cut into lines, in whatever pieces it arrives") {
  const std::string text = "one\ntwo\r\n\n\nthree €\nfour";
  const std::size_t piece = GENERATE(1U, 2U, 3U, 7U, 100U);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    cutter.feed(std::string_view(text).substr(at, piece));
  }
  CHECK(lines == Lines{"one", "two", "three €"});
  CHECK(cutter.finish() == 0);
  CHECK(lines == Lines{"one", "two", "three €", "four"});
  CHECK(cutter.finish() == 0);
  CHECK(lines.size() == 4);
}

TEST_CASE_METHOD(Cut, "only the beginning of a long line is shown") {
  const std::size_t max = LineCutter::kMaxBytes;
  cutter.feed(std::string(max, 'a') + '\n');
  cutter.feed(std::string(max + 1, 'b') + '\n');
  for (int i = 0; i < 1000; ++i) cutter.feed(std::string(max, 'c'));
  cutter.feed("\nshort\n");
  CHECK(lines ==
        Lines{std::string(max, 'a'), std::string(max, 'b') + "…", std::string(max, 'c') + "…", "short"});
}

TEST_CASE_METHOD(Cut, "a long line is not cut within a character") {
  const std::size_t before = GENERATE(196U, 197U, 198U, 199U, 200U);
  CAPTURE(before);
  for (const std::string character : {"é", "€", "😀"}) {
    cutter.feed(std::string(before, 'x') + character + std::string(100, 'y') + '\n');
    const std::size_t whole = before + character.size();
    std::string expected(before, 'x');
    if (whole <= LineCutter::kMaxBytes) expected += character;
    expected.resize(whole <= LineCutter::kMaxBytes ? LineCutter::kMaxBytes : before, 'y');
    CHECK(lines.back() == expected + "…");
  }
}

TEST_CASE_METHOD(Cut, "bytes that are not text stay unchanged") {
  cutter.feed(std::string(LineCutter::kMaxBytes + 10, '\x80') + "\n\xff\xfe\n");
  CHECK(lines == Lines{std::string(LineCutter::kMaxBytes, '\x80') + "…", "\xff\xfe"});
}

TEST_CASE_METHOD(Cut, "the first lines are shown and further ones counted") {
  for (std::size_t i = 0; i < LineCutter::kMaxLines + 7; ++i) cutter.feed("line\n");
  cutter.feed("unfinished");
  CHECK(lines.size() == LineCutter::kMaxLines);
  CHECK(cutter.finish() == 8);
  cutter.feed("next run\n");
  CHECK(lines.back() == "next run");
  CHECK(cutter.finish() == 0);
}

}  // namespace
}  // namespace spiffe::process
