#include <array>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/log.hh"
#include "support/catch.hh"

namespace slog = spiffe::log;
using spiffe::Fd;

namespace {

std::string read_all(int fd) {
  std::string out;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return out;
}

}  // namespace

TEST_CASE("a log that nobody reads holds up nothing, and the loss is told") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  slog::configure(slog::Level::info, slog::Format::text, writer.get());
  // Far more than the pipe holds: this test would never end if one of them blocked.
  for (int i = 0; i < 3000; ++i) slog::info("line", {{"number", std::to_string(i)}});
  CHECK(read_all(reader.get()).find("number=0 ") != std::string::npos);
  slog::info("after");
  const std::string rest = read_all(reader.get());
  slog::configure(slog::Level::info, slog::Format::text, 2);
  CHECK(rest.find("event=log_dropped") != std::string::npos);
  CHECK(rest.find("msg=after") != std::string::npos);
}

TEST_CASE("the lines of a batch are written when its outermost scope ends, whole and in order") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  slog::configure(slog::Level::info, slog::Format::text, writer.get());
  {
    const slog::Batch outer;
    {
      const slog::Batch inner;
      for (int i = 0; i < 100; ++i) slog::info("line", {{"number", std::to_string(i)}});
    }
    slog::info("last");
    CHECK(read_all(reader.get()).empty());
  }
  const std::string text = read_all(reader.get());
  slog::info("alone");
  const std::string alone = read_all(reader.get());
  slog::configure(slog::Level::info, slog::Format::text, 2);
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = text.find("msg=line number=" + std::to_string(i) + " system", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(text.find("msg=last", at) != std::string::npos);
  CHECK(alone.find("msg=alone") != std::string::npos);
}
