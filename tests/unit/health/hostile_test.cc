// Clients that are slow, many or wrong. In every case the next honest client gets an answer.
#include <future>
#include <vector>

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.hh"
#include "unit/health/client.hh"

using namespace std::chrono_literals;
using namespace spiffe;
using namespace spiffe::health;
using namespace spiffe::health::test;

namespace {

constexpr auto kOk = "HTTP/1.1 200 OK";

Server::Options impatient() {
  auto options = local();
  options.connections.life = 200ms;
  return options;
}

std::chrono::nanoseconds cpu_time_of_this_thread() {
  timespec ts{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

}  // namespace

TEST_CASE("a client that sends nothing, or half a request, is cut off") {
  Running running(impatient());
  for (const std::string_view part : {"", "GET /live HT", "GET /live HTTP/1.1\r\nHost: x\r\n",
                                      "POST /live HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"}) {
    INFO(part);
    const auto begin = BootClock::now();
    const Client client(running.port());
    CHECK(client.send(part));
    CHECK(client.read_all().empty());
    CHECK(BootClock::now() - begin >= 150ms);
  }
  CHECK(running.open_connections() == 0);
}

TEST_CASE("a client that sends single bytes is cut off as well") {
  Running running(impatient());
  const Client client(running.port());
  REQUIRE(client.send("GET /live HTTP/1.1\r\nX: "));
  const auto deadline = BootClock::now() + 10s;
  bool ended = false;
  while (!ended && BootClock::now() < deadline) ended = !client.send("a") || client.readable(5ms);
  CHECK(ended);
  CHECK(client.read_all().empty());
  CHECK(status_line(get(running.port(), "/live")) == kOk);
}

TEST_CASE("a client that does not read its answer is cut off") {
  Running running(impatient());
  // More than the buffers of two sockets can take.
  running.on_loop([&] { running.status.svid_not_after[std::string(16 << 20, 'x')]; });
  const Client client(running.port());
  REQUIRE(client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
  REQUIRE(client.readable(10s));
  const auto deadline = BootClock::now() + 10s;
  while (running.open_connections() > 0 && BootClock::now() < deadline) {
    pollfd pause{.fd = -1, .events = 0, .revents = 0};
    ::poll(&pause, 1, 5);
  }
  CHECK(running.open_connections() == 0);
  CHECK(client.read_all().size() < 16 << 20);
}

TEST_CASE("with more connections than allowed, the oldest are cut and a new one is answered") {
  auto options = local();
  options.connections.open = 4;
  Running running(std::move(options));
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(std::make_unique<Client>(running.port()));
  CHECK(status_line(get(running.port(), "/live")) == kOk);
  CHECK(running.open_connections() <= 4);
  CHECK(silent.front()->read_all().empty());
  CHECK(silent[30]->read_all().empty());
  silent.clear();
  CHECK(status_line(get(running.port(), "/live")) == kOk);
}

TEST_CASE("a header or a body that is too large is refused") {
  Running running(local());
  const std::string much(64 * 1024, 'a');
  for (const std::string& request :
       {"GET /live HTTP/1.1\r\nX: " + much + "\r\n\r\n", "GET /" + much + " HTTP/1.1\r\n\r\n",
        "POST /live HTTP/1.1\r\nContent-Length: 65536\r\n\r\n" + much,
        "POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + much + "\r\n0\r\n\r\n"}) {
    const Client client(running.port());
    static_cast<void>(client.send(request));  // it may be cut off before the end
    const std::string answer = client.read_all();
    INFO(status_line(answer));
    CHECK((answer.empty() || answer.starts_with("HTTP/1.1 4")));
  }
  CHECK(status_line(get(running.port(), "/live")) == kOk);
}

TEST_CASE("many small headers are refused like one large header") {
  Running running(local());
  const Client client(running.port());
  bool open = client.send("GET /live HTTP/1.1\r\n");
  for (int i = 0; open && i < 100'000; ++i) open = client.send("A: b\r\n");
  CHECK_FALSE(open);
}

TEST_CASE("the descriptor number of an answered connection can be reused and watched") {
  Running running(local());
  for (int i = 0; i < 20; ++i) {
    CHECK(status_line(get(running.port(), "/live")) == kOk);
    // The client has seen the end of the answer, so the number may be free from now on.
    std::vector<Fd> events;
    std::vector<std::unique_ptr<Watch>> watches;
    std::promise<void> rung;
    running.on_loop([&] {
      for (int n = 0; n < 4; ++n) events.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    });
    std::size_t left = events.size();
    running.on_loop([&] {
      for (const Fd& fd : events) {
        watches.push_back(std::make_unique<Watch>(running.loop(), fd.get(), [&, number = fd.get()] {
          std::uint64_t value = 0;
          if (::read(number, &value, sizeof value) == sizeof value && --left == 0) rung.set_value();
        }));
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(fd.get(), &one, sizeof one);
      }
    });
    const bool all = rung.get_future().wait_for(10s) == std::future_status::ready;
    running.on_loop([&] {
      watches.clear();
      events.clear();
    });
    REQUIRE(all);
  }
}

TEST_CASE("small bodies are read and ignored, in one piece or in chunks, on GET too") {
  Running running(local());
  for (const std::string_view request : {
           "POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
           "POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
           "GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
       }) {
    INFO(request);
    CHECK(status_line(ask(running.port(), request)) == kOk);
  }
}

TEST_CASE("of pipelined requests the first is answered") {
  Running running(local());
  const std::string one = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string answer = ask(running.port(), one + one + one);
  CHECK(status_line(answer) == kOk);
  CHECK(answer.rfind("HTTP/1.1") == 0);
}

TEST_CASE("a request that is not HTTP is refused or cut off") {
  Running running(impatient());
  for (const std::string_view request :
       {"garbage\r\n\r\n", "\r\n\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /live HTTP/3.7\r\n\r\n", "BREW /live HTTP/1.1\r\n\r\n", "GET live HTTP/1.1\r\n\r\n",
        "GET  /live  HTTP/1.1\r\n\r\n", "POST /live HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"}) {
    INFO(request);
    const std::string answer = ask(running.port(), request);
    CHECK_FALSE(status_line(answer) == kOk);
  }
  CHECK(running.open_connections() == 0);
  CHECK(status_line(get(running.port(), "/live")) == kOk);
}

TEST_CASE("clients that disconnect leave nothing behind") {
  Running running(local());
  for (int i = 0; i < 100; ++i) {
    const Client client(running.port());
    CHECK(client.send(i % 2 == 0 ? "GET /li" : "GET /live HTTP/1.1\r\n\r\n"));
  }
  CHECK(status_line(get(running.port(), "/live")) == kOk);
  const auto deadline = BootClock::now() + 10s;
  while (running.open_connections() > 0 && BootClock::now() < deadline) {
  }
  CHECK(running.open_connections() == 0);
}

TEST_CASE("without a free descriptor the server pauses, and continues once there is one") {
  Running running(local());
  const Client client(running.port());
  CHECK(status_line(get(running.port(), "/live")) == kOk);  // the listener has caught up

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const Client waiting = [&] {
    Fd next(::dup(0));
    REQUIRE(next);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
    next.reset();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    return Client(running.port());  // takes the last one
  }();
  const bool sent = waiting.send("GET /live HTTP/1.1\r\n\r\n");
  std::chrono::nanoseconds begin{};
  std::chrono::nanoseconds end{};
  running.on_loop([&] { begin = cpu_time_of_this_thread(); });
  const bool answered = waiting.readable(600ms);
  running.on_loop([&] { end = cpu_time_of_this_thread(); });
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(sent);
  CHECK_FALSE(answered);
  CHECK(end - begin < 200ms);
  CHECK(status_line(waiting.read_all()) == kOk);
}

TEST_CASE("a server that stops while clients are connected leaves nothing behind") {
  std::vector<std::unique_ptr<Client>> clients;
  {
    Running running(local());
    for (int i = 0; i < 5; ++i) {
      clients.push_back(std::make_unique<Client>(running.port()));
      REQUIRE(clients.back()->send("GET /li"));
    }
    CHECK(status_line(get(running.port(), "/live")) == kOk);
    CHECK(running.open_connections() >= 5);
  }
  for (const auto& client : clients) CHECK(client->read_all().empty());
}
