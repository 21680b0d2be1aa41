#include "dev_agent/ticker.hh"

#include <future>
#include <vector>

#include "support/catch.hh"

using spiffe::dev_agent::Ticker;
using namespace std::chrono_literals;

TEST_CASE("tasks run when they are due, the earliest first") {
  Ticker ticker;
  std::vector<int> order;
  std::promise<void> done;
  const auto begin = std::chrono::steady_clock::now();
  ticker.after(30ms, [&] {
    order.push_back(2);
    done.set_value();
  });
  ticker.after(10ms, [&] { order.push_back(1); });
  done.get_future().wait();
  CHECK(std::chrono::steady_clock::now() - begin >= 30ms);
  CHECK(order == std::vector{1, 2});
}

TEST_CASE("remaining tasks run at once at the end") {
  Ticker ticker;
  int ran = 0;
  ticker.after(1h, [&] {
    ++ran;
    ticker.after(1h, [&] { ++ran; });
  });
  ticker.stop();
  CHECK(ran == 2);
  ticker.after(1h, [&] { ++ran; });
  CHECK(ran == 3);
}
