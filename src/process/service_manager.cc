#include "process/service_manager.hh"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <time.h>

#include "base/log.hh"
#include "base/text.hh"

namespace spiffe::process {

using namespace std::chrono_literals;

namespace {

constexpr auto kRetry = 100ms;

// systemd drops messages of 4096 bytes or more.
constexpr std::size_t kMaxStatus = 3000;

// The value of `name` ("NAME="); empty if not set.
std::string_view variable(const char* const* environment, std::string_view name) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    if (entry.starts_with(name)) return entry.substr(name.size());
  }
  return {};
}

// 0 if it is not a number.
std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() ? out : 0;
}

// One line of valid UTF-8.
std::string line_of(std::string_view text) {
  std::string line = escape(text);
  if (line.size() <= kMaxStatus) return line;
  std::size_t size = kMaxStatus;
  while ((static_cast<unsigned char>(line[size]) & 0xC0) == 0x80) --size;
  line.resize(size);
  return line + "…";
}

std::string monotonic_usec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000);
}

}  // namespace

ServiceManager::Options ServiceManager::Options::from(const char* const* environment, pid_t own) {
  Options options{.socket = std::string(variable(environment, "NOTIFY_SOCKET="))};
  const std::string_view meant = variable(environment, "WATCHDOG_PID=");
  if (meant.empty() || number(meant) == own) {
    const auto usec = number(variable(environment, "WATCHDOG_USEC="));
    options.watchdog = std::chrono::microseconds(std::max<std::int64_t>(usec, 0));
  }
  return options;
}

ServiceManager::ServiceManager(Loop& loop, const Options& options)
    : extend_every_(options.extend_every),
      ping_every_(std::max<std::chrono::nanoseconds>(options.watchdog / 2, 1ms)),
      extend_timer_(loop, [this] { extend(); }),
      ping_timer_(loop, [this] { ping(); }),
      retry_timer_(loop, [this] { flush(); }) {
  if (options.socket.empty()) return;
  const auto connected = connect(options.socket);
  if (!connected) complain(context(escape(options.socket), connected.error()));
  if (socket_ && options.watchdog > 0us) ping_timer_.after(ping_every_);
}

// Uses no lasting connection, because the manager may create its socket again.
Result<> ServiceManager::connect(std::string_view address) {
  if (address.size() < 2 || (address.front() != '/' && address.front() != '@')) {
    return fail(ErrorKind::config, "NOTIFY_SOCKET is neither a path nor an abstract name");
  }
  if (address.size() >= sizeof address_.sun_path) return fail(ErrorKind::config, "NOTIFY_SOCKET is too long");
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, address.data(), address.size());
  const bool abstract = address.front() == '@';
  if (abstract) address_.sun_path[0] = '\0';
  address_size_ =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1));
  socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_) return fail_errno("socket", errno);
  return {};
}

void ServiceManager::waiting(std::string_view reason) {
  set_status(line_of(reason));
  if (socket_ && phase_ == Phase::starting && !extend_timer_.armed()) return extend();
  flush();
}

void ServiceManager::ready(std::string_view text) {
  if (phase_ == Phase::ready || phase_ == Phase::stopping) return status(text);
  set_status(line_of(text));
  enter(Phase::ready, "READY=1");
}

void ServiceManager::status(std::string_view text) {
  set_status(line_of(text));
  flush();
}

void ServiceManager::set_status(std::string line) {
  pending_.status |= line != status_;
  status_ = std::move(line);
}

void ServiceManager::reloading() {
  if (phase_ != Phase::ready) return;
  enter(Phase::reloading, "RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec());
}

void ServiceManager::stopping() {
  if (phase_ == Phase::stopping) return;
  set_status("stopping");
  enter(Phase::stopping, "STOPPING=1");
}

void ServiceManager::extend() {
  pending_.extend = true;
  extend_timer_.after(extend_every_);
  flush();
}

void ServiceManager::ping() {
  pending_.ping = true;
  ping_timer_.after(ping_every_);
  flush();
}

// A phase that was not sent yet is skipped.
void ServiceManager::enter(Phase phase, std::string assignments) {
  phase_ = phase;
  extend_timer_.cancel();
  pending_.extend = false;
  pending_.phase = std::move(assignments);
  flush();
}

std::string ServiceManager::message() const {
  std::string out;
  const auto add = [&out](std::string_view line) {
    if (!out.empty()) out += '\n';
    out += line;
  };
  if (!pending_.phase.empty()) add(pending_.phase);
  if (pending_.extend) {
    add("EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(kStartExtension).count()));
  }
  if (pending_.status) add("STATUS=" + status_);
  if (pending_.ping) add("WATCHDOG=1");
  return out;
}

void ServiceManager::flush() {
  if (!socket_) return;
  const std::string text = message();
  if (text.empty()) return;
  ssize_t sent = 0;
  do {
    sent = ::sendto(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&address_), address_size_);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    pending_ = {};
    return retry_timer_.cancel();
  }
  // Pending data is sent with the next message; a full queue is retried by the timer.
  const int code = errno;
  if (code == EAGAIN || code == ENOBUFS) retry_timer_.after(kRetry);
  complain(fail_errno("send", code).error());
}

void ServiceManager::complain(const Error& error) {
  log::write(std::exchange(complained_, true) ? log::Level::debug : log::Level::warning,
             "cannot notify the service manager", {{"error", error.message}});
}

}  // namespace spiffe::process
