// Signals the program of a PID file after every rotation.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/log.hh"
#include "base/loop.hh"
#include "process/pid_signal.hh"

namespace spiffe::process {

// How often a rotation is tried, and the wait before the second try, which doubles with each further one. 51
// s in total.
inline constexpr int kPidFileTries = 10;
inline constexpr std::chrono::milliseconds kPidFileWait{100};

// Create one only if a PID file is configured. Loop thread.
class PidFile {
 public:
  struct Options {
    std::string path;  // relative to the working directory
    int signal = 0;
    log::Logger log = {};
    bool check = true;  // check whether the process can be the one that is meant
    // Called when the signal was sent, or the rotation was given up: after all its tries, or because a newer
    // one replaced it before it succeeded. Called from rotated() or from the loop; must not call back.
    std::function<void(bool sent)> on_result = nullptr;
    std::chrono::nanoseconds first_wait = kPidFileWait;
  };

  PidFile(Loop& loop, Options options);

  // Signals at once if possible. A rotation that is still being tried is replaced, which counts as a failure.
  void rotated();

  // Stops trying, without a result or a log line.
  void stop();

 private:
  void attempt();
  void put_off(const Refusal& refusal);
  void give_up(const Error& error, log::Level level);
  void finish(bool sent);

  log::Logger log_;
  std::string path_;
  int signo_;
  std::function<void(bool)> on_result_;
  std::chrono::nanoseconds first_wait_;
  PidSignal signal_;
  int tries_ = 0;
  std::string warned_;              // the last cause with a warning, cleared when a signal is sent
  std::string missed_;              // likewise, the last cause logged for a replaced rotation
  std::optional<Refusal> pending_;  // why the present rotation has not succeeded yet
  Timer timer_;
};

}  // namespace spiffe::process
