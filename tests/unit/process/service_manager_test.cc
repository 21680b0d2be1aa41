#include "process/service_manager.hh"

#include <array>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "processes.hh"

namespace spiffe::process {
namespace {

using namespace std::chrono_literals;

std::int64_t monotonic_usec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

struct ManagerFixture : LoopFixture {
  TempDir dir;
  CapturedLog log{dir};
  Fd listener;
  std::unique_ptr<ServiceManager> manager;

  // Listens like a service manager. Returns the name for NOTIFY_SOCKET.
  std::string listen(bool abstract = false) {
    std::string name = (abstract ? "@" : "") + (dir / "notify");
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, name.data(), name.size());
    if (abstract) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    listener = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    return name;
  }
  ServiceManager& manage(std::string socket, std::chrono::microseconds watchdog = 0us,
                         std::chrono::nanoseconds extend_every = kExtendEvery) {
    manager = std::make_unique<ServiceManager>(
        loop(), ServiceManager::Options{std::move(socket), watchdog, extend_every});
    return *manager;
  }
  // The next datagram; nullopt if there is none.
  std::optional<std::string> told() const {
    std::array<char, 8192> buffer{};
    const ssize_t n = ::recv(listener.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(n));
  }
  std::optional<std::string> await() {
    std::optional<std::string> out;
    static_cast<void>(until([&] { return (out = told()).has_value(); }));
    return out;
  }
};

TEST_CASE_METHOD(ManagerFixture, "the service manager is notified of all phases, in order") {
  ServiceManager& systemd = manage(listen(GENERATE(false, true)));
  CHECK_FALSE(told());
  systemd.waiting("waiting for an identity: PermissionDenied");
  CHECK(told() == "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=waiting for an identity: PermissionDenied");
  systemd.waiting("waiting for the agent");
  CHECK(told() == "STATUS=waiting for the agent");
  systemd.ready("spiffe://example.org/web, valid until 2026-01-02T03:04:05Z");
  CHECK(told() == "READY=1\nSTATUS=spiffe://example.org/web, valid until 2026-01-02T03:04:05Z");
  systemd.status("spiffe://example.org/web, valid until 2026-01-02T04:04:05Z");
  CHECK(told() == "STATUS=spiffe://example.org/web, valid until 2026-01-02T04:04:05Z");

  const auto before = monotonic_usec();
  systemd.reloading();
  const std::string reloading = told().value();
  constexpr std::string_view kBegin = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(reloading.starts_with(kBegin));
  const std::string usec = reloading.substr(kBegin.size());
  CHECK(usec.find_first_not_of("0123456789") == std::string::npos);
  CHECK(std::stoll(usec) >= before);
  CHECK(std::stoll(usec) <= monotonic_usec());
  systemd.ready("spiffe://example.org/db");
  CHECK(told() == "READY=1\nSTATUS=spiffe://example.org/db");

  systemd.stopping();
  CHECK(told() == "STOPPING=1\nSTATUS=stopping");
  CHECK_FALSE(told());
  CHECK(log.text().empty());
}

TEST_CASE_METHOD(ManagerFixture, "an unchanged state is not sent again") {
  ServiceManager& systemd = manage(listen());
  systemd.ready("a");
  CHECK(told() == "READY=1\nSTATUS=a");
  systemd.ready("a");
  systemd.status("a");
  systemd.waiting("a");
  CHECK_FALSE(told());
  systemd.ready("b");
  CHECK(told() == "STATUS=b");
  systemd.reloading();
  CHECK(told().value().starts_with("RELOADING=1\n"));
  systemd.reloading();  // a second SIGHUP during the reload
  CHECK_FALSE(told());
  systemd.ready("b");
  CHECK(told() == "READY=1");
}

TEST_CASE_METHOD(ManagerFixture,
                 "a reload before the first publication and a publication after the end are not sent") {
  ServiceManager& systemd = manage(listen());
  systemd.reloading();
  CHECK_FALSE(told());
  systemd.stopping();
  CHECK(told() == "STOPPING=1\nSTATUS=stopping");
  systemd.ready("waiting for the child");
  CHECK(told() == "STATUS=waiting for the child");
  systemd.reloading();
  systemd.stopping();
  CHECK_FALSE(told());
}

TEST_CASE_METHOD(ManagerFixture, "the start is extended repeatedly while there is no identity") {
  ServiceManager& systemd = manage(listen(), 0us, 2ms);
  systemd.waiting("a");
  CHECK(told() == "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=a");
  CHECK(await() == "EXTEND_TIMEOUT_USEC=30000000");
  CHECK(await() == "EXTEND_TIMEOUT_USEC=30000000");
  SECTION("until it is there") {
    systemd.ready("b");
  }
  SECTION("until the end") {
    systemd.stopping();
  }
  while (told()) continue;
  systemd.waiting("c");
  CHECK(told() == "STATUS=c");
  CHECK_FALSE(until([this] { return told().has_value(); }, 20ms));
}

TEST_CASE_METHOD(ManagerFixture, "the watchdog is notified at half its interval, as long as the loop runs") {
  ServiceManager& systemd = manage(listen(), 40ms);
  CHECK_FALSE(told());
  const BootTime before = BootClock::now();
  CHECK(await() == "WATCHDOG=1");
  CHECK(BootClock::now() - before >= 19ms);
  CHECK(await() == "WATCHDOG=1");
  while (told()) continue;
  systemd.stopping();
  CHECK(told() == "STOPPING=1\nSTATUS=stopping");
  CHECK(await() == "WATCHDOG=1");
  const BootTime hung = BootClock::now();
  while (BootClock::now() - hung < 60ms) continue;
  CHECK_FALSE(told());
}

TEST_CASE_METHOD(ManagerFixture, "a manager whose queue is full gets the newest state later") {
  ServiceManager& systemd = manage(listen());
  int sent = 0;
  // The kernel queues between ten and some hundred datagrams for a reader.
  while (sent < 100'000 && !log.has("cannot notify")) systemd.status(std::to_string(++sent));
  REQUIRE(log.has("cannot notify"));
  systemd.ready("a");
  systemd.reloading();
  systemd.ready("b");
  for (int i = 1; i < sent; ++i) CHECK(told() == "STATUS=" + std::to_string(i));
  CHECK_FALSE(told());
  CHECK(await() == "READY=1\nSTATUS=b");
  CHECK_FALSE(told());
  const std::string text = log.text();
  CHECK(text.find("\"level\":\"warning\"") == text.rfind("\"level\":\"warning\""));
}

TEST_CASE_METHOD(ManagerFixture,
                 "a manager that is away causes one warning, and gets the missed state later") {
  ServiceManager& systemd = manage(dir / "notify");
  systemd.ready("a");
  CHECK(
      log.has("\"level\":\"warning\",\"msg\":\"cannot notify the service manager\","
              "\"error\":\"send: no such file or directory\""));
  systemd.status("b");
  const std::string text = log.text();
  CHECK(text.find("\"level\":\"warning\"") == text.rfind("\"level\":\"warning\""));
  static_cast<void>(listen());
  systemd.status("c");
  CHECK(told() == "READY=1\nSTATUS=c");
}

TEST_CASE_METHOD(ManagerFixture, "a status is one line of bounded size") {
  ServiceManager& systemd = manage(listen());
  systemd.status("a\nREADY=1\r\x1b[2J\xff");
  CHECK(told() == "STATUS=a\\nREADY=1\\r\\x1b[2J\\xff");
  std::string hands;
  while (hands.size() < 10'000) hands += "☚";
  systemd.status(hands);
  const std::string text = told().value();
  CHECK(text.size() < 3100);
  CHECK(text.ends_with("☚…"));
  systemd.status("x" + hands);
  CHECK(told().value().ends_with("☚…"));
}

TEST_CASE_METHOD(ManagerFixture, "without a service manager nothing happens") {
  ServiceManager& systemd = manage("", 1ms, 1ms);
  systemd.waiting("a");
  systemd.ready("b");
  systemd.reloading();
  systemd.ready("b");
  systemd.stopping();
  CHECK_FALSE(until([] { return false; }, 10ms));
  CHECK(log.text().empty());
}

TEST_CASE_METHOD(ManagerFixture, "an invalid address causes a warning, and nothing else") {
  ServiceManager& systemd =
      manage(GENERATE(as<std::string>(), "vsock:2:1234", "relative", "/", "@", "/" + std::string(107, 'x')));
  systemd.ready("a");
  CHECK(log.has("cannot notify the service manager"));
  CHECK(log.has("NOTIFY_SOCKET is "));
}

TEST_CASE("the service manager's settings are read from the environment") {
  const auto of = [](std::vector<const char*> environment) {
    environment.push_back(nullptr);
    return ServiceManager::Options::from(environment.data(), 77);
  };
  CHECK(of({"A=b"}).socket.empty());
  CHECK(of({"NOTIFY_SOCKET=/run/n", "NOTIFY_SOCKETS=x"}).socket == "/run/n");
  CHECK(of({"NOTIFY_SOCKET=@n"}).watchdog == 0us);
  CHECK(of({"WATCHDOG_USEC=30000000"}).watchdog == 30s);
  CHECK(of({"WATCHDOG_USEC=30000000", "WATCHDOG_PID=77"}).watchdog == 30s);
  CHECK(of({"WATCHDOG_USEC=30000000", "WATCHDOG_PID=78"}).watchdog == 0us);  // for another process
  CHECK(of({"WATCHDOG_USEC=30000000", "WATCHDOG_PID=x"}).watchdog == 0us);
  CHECK(of({"WATCHDOG_USEC=30s"}).watchdog == 0us);
  CHECK(of({"WATCHDOG_USEC=-1"}).watchdog == 0us);
}

}  // namespace
}  // namespace spiffe::process
