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
