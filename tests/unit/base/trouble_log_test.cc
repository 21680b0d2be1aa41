#include "base/trouble_log.hh"

#include <array>
#include <functional>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hh"
#include "support/catch.hh"

using namespace spiffe;
using namespace std::chrono_literals;

namespace {

// A log that is read line by line, and a manual clock.
struct Bench {
  std::unique_ptr<Loop> loop = Loop::create().value();
  BootTime now{};
  std::chrono::nanoseconds step{0};  // added by each reading of the clock
  Fd reader;
  Fd writer;

  Bench() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
    log::configure(log::Level::info, log::Format::text, writer.get());
  }
  ~Bench() { log::configure(log::Level::info, log::Format::text); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  TroubleLog::Clock clock() {
    return [this] { return now += step; };
  }
  // The log since the last call, without the time of each line, which is not injected.
  [[nodiscard]] std::string lines() const {
    std::string text(65536, '\0');
    const ssize_t n = ::read(reader.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    std::string out;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      std::string line = text.substr(begin, end - begin);
      line = line.substr(line.find("level="));
      const std::size_t since = line.find(" since=");
      if (since != std::string::npos) line.erase(since, line.find(' ', since + 1) - since);
      line.erase(line.find(" system="));
      out += line + "\n";
      begin = end + 1;
    }
    return out;
  }
};

TroubleLog::Line line(std::string message) {
  return {log::Level::error, std::move(message), {}};
}

}  // namespace

TEST_CASE("the log of an error that lasts: beginning, reminder, other cause, end") {
  Bench fixture;
  TroubleLog troubles(*fixture.loop, fixture.clock());
  CHECK(troubles.failed("hook", "exit 1", {log::Level::warning, "The hook failed", {{"code", "1"}}}));
  CHECK(fixture.lines() == "level=warning msg=\"The hook failed\" code=1\n");
  fixture.now += 4min;
  CHECK_FALSE(troubles.failed("hook", "exit 1", line("The hook failed")));
  CHECK(fixture.lines().empty());
  fixture.now += 1min;
  CHECK(troubles.failed("hook", "exit 1", line("The hook failed")));
  CHECK(fixture.lines() == "level=error msg=\"The hook failed\" for=5m\n");
  fixture.now += 30s;
  CHECK(troubles.failed("hook", "exit 2", line("The hook failed otherwise")));
  CHECK(fixture.lines() == "level=error msg=\"The hook failed otherwise\" for=5m30s\n");
  fixture.now += 1h;
  CHECK(troubles.ended("hook", "The hook runs again", {{"event", "hook_restored"}}));
  CHECK(fixture.lines() == "level=info msg=\"The hook runs again\" event=hook_restored lasted=1h5m\n");
  CHECK_FALSE(troubles.ended("hook", "The hook runs again"));
  CHECK(fixture.lines().empty());
}

TEST_CASE("the reminder has the time of the first failure") {
  Bench fixture;
  TroubleLog troubles(*fixture.loop, fixture.clock());
  troubles.failed("hook", "exit 1", line("The hook failed"));
  fixture.now += 10min;
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(::read(fixture.reader.get(), text.data(), text.size())));
  CHECK(text.find("since=") == std::string::npos);
  const std::string before = rfc3339(wall_now() - 10min);
  troubles.failed("hook", "exit 1", line("The hook failed"));
  const std::string after = rfc3339(wall_now() - 10min);
  text.resize(4096);
  text.resize(static_cast<std::size_t>(::read(fixture.reader.get(), text.data(), text.size())));
  const auto says = [&](const std::string& when) {
    return text.find("since=\"" + when + "\"") != std::string::npos;
  };
  CAPTURE(text, before, after);
  CHECK((says(before) || says(after)));
}

TEST_CASE("an error without further attempts is logged again by the timer") {
  Bench fixture;
  TroubleLog troubles(*fixture.loop, fixture.clock());
  fixture.step = 5min;
  troubles.failed("program", "not found", line("The program cannot be started"));
  CHECK(fixture.lines() == "level=error msg=\"The program cannot be started\"\n");
  // Each reading of the clock is five minutes later: the timer fires at once, repeatedly.
  Timer end(*fixture.loop, [&] { fixture.loop->stop(); });
  std::string said;
  Watch watch(*fixture.loop, fixture.reader.get(), [&] {
    said += fixture.lines();
    fixture.loop->stop();
  });
  end.after(60s);
  fixture.loop->run();
  CHECK(said.starts_with("level=error msg=\"The program cannot be started\" for="));
}

TEST_CASE("a cause of several errors is logged once, and ends with the last of them") {
  Bench fixture;
  TroubleLog troubles(*fixture.loop, fixture.clock());
  CHECK(troubles.failed("a", "no directory", line("Unable to write a")));
  CHECK_FALSE(troubles.failed("b", "no directory", line("Unable to write b")));
  CHECK(fixture.lines() == "level=error msg=\"Unable to write a\"\n");
  fixture.now += 5min;
  CHECK_FALSE(troubles.failed("b", "no directory", line("Unable to write b")));
  CHECK(troubles.failed("a", "no directory", line("Unable to write a")));
  CHECK(fixture.lines() == "level=error msg=\"Unable to write a\" for=5m\n");
  fixture.now += 1min;
  CHECK(troubles.ended("a", "a is written"));
  CHECK(fixture.lines().empty());
  fixture.now += 1min;
  CHECK(troubles.ended("b", "b is written"));
  CHECK(fixture.lines() == "level=info msg=\"b is written\" lasted=7m\n");
  CHECK(troubles.size() == 0);
}

TEST_CASE("another error with the cause is logged when the logged one changes its cause or is forgotten") {
  Bench fixture;
  TroubleLog troubles(*fixture.loop, fixture.clock());
  for (const char* name : {"a", "b", "c"}) troubles.failed(name, "no directory", line(name));
  CHECK(fixture.lines() == "level=error msg=a\n");
  CHECK(troubles.failed("a", "no room", line("a")));
  CHECK(fixture.lines() == "level=error msg=a for=0ms\n");
  fixture.now += 5min;
  CHECK(troubles.failed("b", "no directory", line("b")));
  CHECK_FALSE(troubles.failed("c", "no directory", line("c")));
  CHECK(fixture.lines() == "level=error msg=b for=5m\n");
  troubles.forget("b");
  fixture.now += 5min;
  CHECK(troubles.failed("c", "no directory", line("c")));
  CHECK(fixture.lines() == "level=error msg=c for=10m\n");
  CHECK_FALSE(troubles.has("b"));
  CHECK(troubles.has("a"));
}
