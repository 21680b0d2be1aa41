#include <array>
#include <atomic>
#include <climits>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/log.hh"
#include "support/catch.hh"

namespace slog = spiffe::log;
using spiffe::Fd;

namespace {

// While it exists the log goes into a pipe.
class LogPipe {
 public:
  LogPipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reader_ = Fd(ends[0]);
    writer_ = Fd(ends[1]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    slog::configure(slog::Level::info, slog::Format::text, writer_.get());
  }
  ~LogPipe() { slog::configure(slog::Level::info, slog::Format::text, 2); }
  LogPipe(const LogPipe&) = delete;
  LogPipe& operator=(const LogPipe&) = delete;

  [[nodiscard]] int reader() const { return reader_.get(); }
  [[nodiscard]] int writer() const { return writer_.get(); }

  // The content of the pipe.
  [[nodiscard]] std::string take() const {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::read(reader_.get(), buffer.data(), buffer.size())) > 0;) {
      out.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  Fd reader_;
  Fd writer_;
};

}  // namespace

TEST_CASE("a log that is not read blocks nothing, and lost lines are reported") {
  const LogPipe pipe;
  // Far more than the pipe can hold: this test would never end if one of them blocked.
  for (int i = 0; i < 3000; ++i) slog::info("line", {{"number", std::to_string(i)}});
  CHECK(pipe.take().find("number=0 ") != std::string::npos);
  slog::info("after");
  const std::string rest = pipe.take();
  CHECK(rest.find("event=log_dropped") != std::string::npos);
  CHECK(rest.find("msg=after") != std::string::npos);
}

TEST_CASE("a child that fills the same pipe blocks nothing, and may itself block") {
  const LogPipe pipe;
  std::atomic<bool> over = false;
  std::thread child([&] {
    const std::string page(PIPE_BUF, '.');
    while (!over && ::write(pipe.writer(), page.data(), page.size()) > 0) {
    }
  });
  std::array<char, PIPE_BUF> buffer{};
  for (int i = 0; i < 500; ++i) {
    // Room for one: the child or us.
    pollfd full{.fd = pipe.reader(), .events = POLLIN, .revents = 0};
    ::poll(&full, 1, -1);
    CHECK(::read(pipe.reader(), buffer.data(), buffer.size()) > 0);
    slog::info("line", {{"number", std::to_string(i)}});
  }
  CHECK((::fcntl(pipe.writer(), F_GETFL) & O_NONBLOCK) == 0);
  over = true;
  (void)pipe.take();
  child.join();
}

TEST_CASE("a log that is a socket blocks nothing either") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  slog::configure(slog::Level::info, slog::Format::text, writer.get());
  for (int i = 0; i < 3000; ++i) slog::info("line", {{"number", std::to_string(i)}});
  slog::configure(slog::Level::info, slog::Format::text, 2);
  std::array<char, 128> begin{};
  REQUIRE(::read(reader.get(), begin.data(), begin.size()) > 0);
  CHECK(std::string(begin.data(), begin.size()).starts_with("time="));
}

TEST_CASE("the lines of a batch are written when its outermost scope ends, whole and in order") {
  const LogPipe pipe;
  {
    const slog::Batch outer;
    {
      const slog::Batch inner;
      for (int i = 0; i < 100; ++i) slog::info("line", {{"number", std::to_string(i)}});
    }
    slog::info("last");
    CHECK(pipe.take().empty());
  }
  const std::string text = pipe.take();
  slog::info("alone");
  const std::string alone = pipe.take();
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = text.find("msg=line number=" + std::to_string(i) + " system", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(text.find("msg=last", at) != std::string::npos);
  CHECK(alone.find("msg=alone") != std::string::npos);
}
