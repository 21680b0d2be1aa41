#include "output/password_file.hh"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.hh"
#include "support/catch.hh"
#include "support/temp_dir.hh"

namespace spiffe::output::test {

namespace {

// The result for a file with this content: the password, or "error: …" without the path.
std::string read_password(const std::string& content) {
  const spiffe::test::TempDir directory;
  const std::string path = directory.path() + "/password";
  std::ofstream(path, std::ios::binary) << content;
  const auto password = read_password_file(path);
  if (password) return std::string(password->text());
  const std::string what = "cannot read the password in \"" + path + "\": ";
  CHECK(password.error().kind == ErrorKind::io);
  REQUIRE(password.error().message.starts_with(what));
  return "error: " + password.error().message.substr(what.size());
}

}  // namespace

TEST_CASE("the password is the file's only line, without its line break") {
  CHECK(read_password("secret") == "secret");
  CHECK(read_password("secret\n") == "secret");
  CHECK(read_password("secret\r\n") == "secret");
  CHECK(read_password(" a b \n") == " a b ");
  CHECK(read_password("pässwörd") == "pässwörd");
  CHECK(read_password(std::string(1024, 'a')) == std::string(1024, 'a'));
}

TEST_CASE("a file that is not one line of text is an error that does not contain it") {
  CHECK(read_password("") == "error: it is empty");
  CHECK(read_password("\n") == "error: it is empty");
  CHECK(read_password("one\ntwo\n") == "error: it is not one line of UTF-8 text");
  CHECK(read_password("secret\n\n") == "error: it is not one line of UTF-8 text");
  CHECK(read_password(std::string("se\0cret", 7)) == "error: it is not one line of UTF-8 text");
  CHECK(read_password("\xff") == "error: it is not one line of UTF-8 text");
  CHECK(read_password(std::string(1025, 'a')) == "error: it is longer than 1024 bytes");
  CHECK(read_password(std::string(1U << 20U, 'a')) == "error: it is longer than 1024 bytes");
}

TEST_CASE("a password file that is missing, or would block, is an error") {
  const spiffe::test::TempDir directory;
  const std::string path = directory.path() + "/none";
  const auto missing = read_password_file(path);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().sys == ENOENT);
  CHECK(missing.error().message == "cannot read the password in \"" + path + "\": no such file or directory");

  const auto in_directory = read_password_file(directory.path());
  REQUIRE_FALSE(in_directory);
  CHECK(in_directory.error().sys == EISDIR);

  const std::string fifo = directory.path() + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto nobody_writes = read_password_file(fifo);
  REQUIRE_FALSE(nobody_writes);
  CHECK(nobody_writes.error().message.ends_with("it is empty"));
  const Fd writer(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(writer);
  const auto nothing_written = read_password_file(fifo);
  REQUIRE_FALSE(nothing_written);
  CHECK(nothing_written.error().sys == EAGAIN);
}

}  // namespace spiffe::output::test
