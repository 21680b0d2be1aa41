// Notifies the service manager that started us, systemd: the protocol of sd_notify(3), without its library.
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

// While there is no identity yet, the start may take this much longer; repeated at this interval.
inline constexpr std::chrono::seconds kStartExtension{30};
inline constexpr std::chrono::seconds kExtendEvery{10};

// Does nothing if there is no socket. Never blocks: if the manager's queue is full, the newest state is sent
// a moment later. A failure to send is logged once. Loop thread.
class ServiceManager {
 public:
  struct Options {
    std::string socket;                     // an absolute path, or '@' and an abstract name; empty: none
    std::chrono::microseconds watchdog{0};  // hung if silent for longer; 0: not watched
    std::chrono::nanoseconds extend_every = kExtendEvery;

    // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of `environment` ("NAME=value", ended by a null).
    // `own` is our pid.
    static Options from(const char* const* environment, pid_t own);
  };

  ServiceManager(Loop& loop, const Options& options);

  // Texts are for operators ("spiffe://example.org/web, valid until …"); they are escaped and shortened here.

  // There is no identity yet: extends the start's time limit until ready(). Later this only sets the status.
  void waiting(std::string_view reason);
  // Everything is in place, for the first time or after reloading(). Otherwise this only sets the status.
  void ready(std::string_view text);
  void status(std::string_view text);
  // The configuration is being reloaded, until the next ready(), which must also follow a failed reload.
  // Ignored before the first ready().
  void reloading();
  // The end has begun: from now on only status() has an effect.
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
  Fd socket_;  // none if there is no NOTIFY_SOCKET
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
  std::chrono::nanoseconds extend_every_;
  std::chrono::nanoseconds ping_every_;
  bool complained_ = false;
  std::string status_;  // the status that was sent, or is to be sent

  // What has not been sent to the manager yet.
  struct Pending {
    std::string phase;  // the assignments of the phase
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
