// What the service manager that started us, systemd, is told: the protocol of sd_notify(3), without its
// library.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/fd.hh"
#include "base/loop.hh"
#include "base/result.hh"

namespace spiffe::process {

// While an identity is waited for, the start may last this much longer, said again this often.
inline constexpr std::chrono::seconds kStartExtension{30};
inline constexpr std::chrono::seconds kExtendEvery{10};

// Does nothing where nobody listens. Never blocks: what the manager has no room for is told a moment later,
// the newest of it. That it cannot be told is logged once. Loop thread.
class ServiceManager {
 public:
  struct Options {
    std::string socket;                     // an absolute path, or '@' and an abstract name; empty: nobody
    std::chrono::microseconds watchdog{0};  // silent for longer means hung; 0: not watched
    std::chrono::nanoseconds extend_every = kExtendEvery;

    // NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of `environment` ("NAME=value", ended by a null). `own`:
    // our pid.
    static Options from(const char* const* environment, pid_t own);
  };

  ServiceManager(Loop& loop, const Options& options);

  // Texts are for people ("spiffe://example.org/web, valid until …"); they are escaped and shortened here.

  // An identity is waited for: until ready(), the start is given more time. Later only a status().
  void waiting(std::string_view reason);
  // Everything is in place, for the first time or after reloading(). Else only a status().
  void ready(std::string_view text);
  void status(std::string_view text);
  // The configuration is read again: until the next ready(), also where it fails. Nothing before the first.
  void reloading();
  // The end has begun: from here on only status() is heard.
  void stopping();

 private:
  enum class Phase { starting, ready, reloading, stopping };

  Result<> connect(std::string_view address);
  void set_status(std::string line);
  void extend();
  void ping();
  void enter(Phase phase, std::string assignments);
  void flush();
  [[nodiscard]] std::string message() const;
  void complain(const Error& error);

  Phase phase_ = Phase::starting;
  Fd socket_;  // none: nobody listens
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
  std::chrono::nanoseconds extend_every_;
  std::chrono::nanoseconds ping_every_;
  bool complained_ = false;
  std::string status_;  // as said, or to be said

  // What the manager has not been told yet.
  struct Pending {
    std::string phase;  // its assignments
    bool extend = false;
    bool status = false;
    bool ping = false;
  };
  Pending pending_;

  Timer extend_timer_;
  Timer ping_timer_;
  Timer retry_timer_;
};

}  // namespace spiffe::process
