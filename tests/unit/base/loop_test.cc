#include "base/loop.hh"

#include <array>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

#include "base/signals.hh"
#include "support/catch.hh"

using namespace std::chrono_literals;
using namespace spiffe;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  void write() const { REQUIRE(::write(writer.get(), "x", 1) == 1); }
  void drain() const {
    char c = 0;
    REQUIRE(::read(reader.get(), &c, 1) == 1);
  }
  Fd reader;
  Fd writer;
};

std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop);
  return *std::move(loop);
}

// Stops the loop of a test that would hang.
class Deadline {
 public:
  explicit Deadline(Loop& loop)
      : timer_(loop, [&loop, this] {
          missed_ = true;
          loop.stop();
        }) {
    timer_.after(10s);
  }
  [[nodiscard]] bool missed() const { return missed_; }

 private:
  bool missed_ = false;
  Timer timer_;
};

}  // namespace

TEST_CASE("tasks posted from another thread run on the loop, in order") {
  const auto loop = make_loop();
  const Deadline deadline(*loop);
  std::vector<int> seen;
  std::thread::id where;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) loop->post([&seen, i] { seen.push_back(i); });
    loop->post([&] {
      where = std::this_thread::get_id();
      loop->stop();
    });
  });
  loop->run();
  poster.join();
  CHECK_FALSE(deadline.missed());
  REQUIRE(seen.size() == 1000);
  for (int i = 0; i < 1000; ++i) REQUIRE(seen[static_cast<std::size_t>(i)] == i);
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("tasks of several threads all arrive") {
  const auto loop = make_loop();
  const Deadline deadline(*loop);
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        loop->post([&] {
          if (++count == 2000) loop->stop();
        });
      }
    });
  }
  loop->run();
  for (auto& thread : threads) thread.join();
  CHECK(count == 2000);
  CHECK_FALSE(deadline.missed());
}

TEST_CASE("a task may post another; what is queued when the loop ends is dropped") {
  auto loop = make_loop();
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> dropped = token;
  bool second = false;
  loop->post([&] {
    loop->post([&] {
      second = true;
      loop->post([held = std::move(token)] { FAIL("after stop"); });
      loop->stop();
    });
  });
  loop->run();
  CHECK(second);
  loop.reset();
  CHECK(dropped.expired());
}

TEST_CASE("timers fire in the order of their deadlines, past ones at once") {
  const auto loop = make_loop();
  std::vector<int> fired;
  Timer late(*loop, [&] {
    fired.push_back(3);
    loop->stop();
  });
  Timer soon(*loop, [&] { fired.push_back(2); });
  Timer past(*loop, [&] { fired.push_back(1); });
  late.after(60ms);
  soon.after(20ms);
  past.after(-1h);
  CHECK(past.armed());
  const auto begin = BootClock::now();
  loop->run();
  CHECK(fired == std::vector<int>{1, 2, 3});
  CHECK(BootClock::now() - begin >= 55ms);
  CHECK_FALSE(past.armed());
}

TEST_CASE("a timer is one-shot, may be armed again from its callback, and a new deadline replaces the old") {
  const auto loop = make_loop();
  int count = 0;
  std::optional<Timer> timer;
  timer.emplace(*loop, [&] {
    if (++count == 3) return loop->stop();
    timer->after(1ms);
  });
  timer->after(1h);
  timer->after(1ms);
  loop->run();
  CHECK(count == 3);
}

TEST_CASE("a cancelled timer does not fire, even when it was due in the same round") {
  const auto loop = make_loop();
  bool fired = false;
  Timer victim(*loop, [&] { fired = true; });
  Timer other(*loop, [&] { fired = true; });
  Timer end(*loop, [&] { loop->stop(); });
  victim.after(5ms);
  other.after(5ms);
  loop->post([&] {
    std::this_thread::sleep_for(10ms);
    victim.cancel();
    other.cancel();
    end.after(10ms);
  });
  loop->run();
  CHECK_FALSE(fired);
  CHECK_FALSE(victim.armed());
}

TEST_CASE("a wall timer fires at its time") {
  const auto loop = make_loop();
  const Deadline deadline(*loop);
  WallTimer timer(*loop, [&] { loop->stop(); });
  const auto at = wall_now() + 20ms;
  timer.at(at);
  loop->run();
  CHECK_FALSE(deadline.missed());
  CHECK(wall_now() >= at);
}

TEST_CASE("a cancelled wall timer does not fire") {
  const auto loop = make_loop();
  bool fired = false;
  WallTimer timer(*loop, [&] { fired = true; });
  timer.at(wall_now() + 5ms);
  timer.cancel();
  Timer end(*loop, [&] { loop->stop(); });
  end.after(20ms);
  loop->run();
  CHECK_FALSE(fired);
}

TEST_CASE("a watch calls while its descriptor is readable, and no more once it is gone") {
  const auto loop = make_loop();
  const Pipe pipe;
  pipe.write();
  pipe.write();
  int calls = 0;
  auto watch = std::make_unique<Watch>(*loop, pipe.reader.get(), [&] {
    pipe.drain();
    if (++calls == 2) loop->stop();
  });
  loop->run();
  CHECK(calls == 2);
  watch.reset();
  pipe.write();
  Timer end(*loop, [&] { loop->stop(); });
  end.after(10ms);
  loop->run();
  CHECK(calls == 2);
}

TEST_CASE("a watch may be dropped within its own callback") {
  const auto loop = make_loop();
  const Pipe pipe;
  pipe.write();
  std::unique_ptr<Watch> watch;
  const auto state = std::make_shared<int>(7);  // the callback's captures outlive the watch
  int calls = 0;
  watch = std::make_unique<Watch>(*loop, pipe.reader.get(), [&, state] {
    watch.reset();
    calls += *state;
  });
  Timer end(*loop, [&] { loop->stop(); });
  end.after(10ms);
  loop->run();
  CHECK(calls == 7);
  CHECK(state.use_count() == 1);
}

TEST_CASE("a watch dropped by another's callback in the same round is not called") {
  const auto loop = make_loop();
  const Pipe a;
  const Pipe b;
  a.write();
  b.write();
  std::unique_ptr<Watch> first;
  std::unique_ptr<Watch> second;
  int calls = 0;
  first = std::make_unique<Watch>(*loop, a.reader.get(), [&] {
    ++calls;
    second.reset();
    first.reset();
  });
  second = std::make_unique<Watch>(*loop, b.reader.get(), [&] {
    ++calls;
    first.reset();
    second.reset();
  });
  Timer end(*loop, [&] { loop->stop(); });
  end.after(10ms);
  loop->run();
  CHECK(calls == 1);
}

TEST_CASE("blocked signals arrive on the loop's thread") {
  sigset_t wanted;
  sigset_t old;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  REQUIRE(pthread_sigmask(SIG_BLOCK, &wanted, &old) == 0);
  const auto loop = make_loop();
  const Deadline deadline(*loop);
  int number = 0;
  const auto watch = SignalWatch::create(*loop, wanted, [&](int n) {
    number = n;
    loop->stop();
  });
  REQUIRE(watch);
  REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
  loop->run();
  CHECK(number == SIGUSR1);
  CHECK_FALSE(deadline.missed());
  REQUIRE(pthread_sigmask(SIG_SETMASK, &old, nullptr) == 0);
}

TEST_CASE("descriptors are closed once, and moved") {
  const Pipe pipe;
  Fd a(::dup(pipe.reader.get()));
  const int raw = a.get();
  Fd b = std::move(a);
  CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move)
  CHECK(b.get() == raw);
  b.reset();
  CHECK(::close(raw) == -1);
  Fd c(::dup(pipe.reader.get()));
  const int kept = c.release();
  CHECK_FALSE(c);
  CHECK(::close(kept) == 0);
}

TEST_CASE("running() is true only in the loop's callbacks") {
  const auto loop = make_loop();
  CHECK_FALSE(loop->running());
  bool within = false;
  loop->post([&] {
    within = loop->running();
    loop->stop();
  });
  loop->run();
  CHECK(within);
  CHECK_FALSE(loop->running());
}

TEST_CASE("a loop that was stopped before it ran does not run") {
  auto loop = std::move(*Loop::create());
  loop->stop();
  loop->run();
  SUCCEED("it returned");
}

TEST_CASE("a task posted to a destroyed loop is dropped") {
  auto loop = make_loop();
  const Poster poster = loop->poster();
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> dropped = token;
  loop.reset();
  poster.post([held = std::move(token)] { FAIL("no loop"); });
  CHECK(dropped.expired());
}

TEST_CASE("run() passes on an exception, and its next call continues with all that was due") {
  const auto loop = make_loop();
  const Deadline deadline(*loop);
  std::vector<int> seen;
  Timer first(*loop, [&] {
    seen.push_back(1);
    throw std::runtime_error("timer");
  });
  Timer second(*loop, [&] { seen.push_back(2); });
  first.at(BootClock::now());
  second.at(BootClock::now());
  CHECK_THROWS_WITH(loop->run(), "timer");
  loop->post([] { throw std::runtime_error("task"); });
  loop->post([&] { seen.push_back(3); });
  CHECK_THROWS_WITH(loop->run(), "task");
  Timer last(*loop, [&] {
    seen.push_back(4);
    loop->stop();
  });
  last.after(1ms);
  loop->run();
  CHECK(seen == std::vector<int>{1, 2, 3, 4});
  CHECK_FALSE(deadline.missed());
}

TEST_CASE("a timer may drop and postpone others that are due in the same round") {
  const auto loop = make_loop();
  std::vector<int> fired;
  std::optional<Timer> dropped;
  std::optional<Timer> later;
  Timer first(*loop, [&] {
    fired.push_back(1);
    dropped.reset();
    later->after(5ms);
  });
  dropped.emplace(*loop, [&] { fired.push_back(2); });
  later.emplace(*loop, [&] {
    fired.push_back(3);
    loop->stop();
  });
  const auto now = BootClock::now();
  first.at(now);
  dropped->at(now + 1ns);
  later->at(now + 2ns);
  loop->run();
  CHECK(fired == std::vector<int>{1, 3});
}

TEST_CASE("timers use no descriptors") {
  const auto loop = make_loop();
  const int before = ::dup(0);
  ::close(before);
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 100; ++i) timers.push_back(std::make_unique<Timer>(*loop, [] {}));
  for (const auto& timer : timers) timer->after(1h);
  const int after = ::dup(0);
  ::close(after);
  CHECK(after == before);
}
