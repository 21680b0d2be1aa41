#include "cli/text/terminal.hh"

#include "support/catch.hh"

using namespace spiffe::cli;

TEST_CASE("columns are as wide as their widest cell, except the last one") {
  TextTable table;
  table.row({"a", "bb", "last"});
  table.row({"käse", "b", "another"});
  table.row({"a line of its own that widens nothing"});
  CHECK(table.text() ==
        "a     bb  last\n"
        "käse  b   another\n"
        "a line of its own that widens nothing\n");
}

TEST_CASE("the last column is wrapped at spaces") {
  TextTable table(32, 2);
  table.row({"key", "one two three four five six seven eight"});
  table.row({"k", "averyveryveryverylongword and more words"});
  CHECK(table.text() ==
        "  key  one two three four five\n"
        "       six seven eight\n"
        "  k    averyveryveryverylongword\n"
        "       and more words\n");
}

TEST_CASE("a line that just fits is not wrapped") {
  TextTable table(30);
  table.row({"k", "123456789 123456789 1234567"});
  CHECK(table.text() == "k  123456789 123456789 1234567\n");
}

TEST_CASE("empty cells leave no space at the end of a line") {
  TextTable table;
  table.row({"a", ""});
  table.row({});
  CHECK(table.text() == "a\n\n");
}

TEST_CASE("colour is used only if enabled") {
  CHECK(paint({}, Colour::red, "x") == "x");
  CHECK(paint({.colour = true}, Colour::red, "x") == "\x1b[31mx\x1b[0m");
}
