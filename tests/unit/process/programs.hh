// A program that prints which signals it gets.
#pragma once

#include <string>
#include <utility>

#include "processes.hh"

namespace spiffe::process {

// A shell that runs `traps` and then waits for signals, with `blocked` blocked. Its output goes to a file of
// `dir`, after "ready".
class Program {
 public:
  Program(const TempDir& dir, const std::string& traps, int blocked = 0) {
    static int count = 0;
    out_ = dir.write("out" + std::to_string(++count), "");
    auto options = shell("exec >> " + out_ + "; " + traps + "; echo ready; while :; do sleep 0.005; done");
    if (blocked != 0) sigaddset(&options.signals.mask, blocked);
    Launcher launcher(std::move(options));
    launched_ = std::move(launcher.launch().value());
    REQUIRE(says("ready\n"));
  }
  ~Program() {
    kill();
    reap();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return launched_.pid; }
  std::string number() const { return std::to_string(pid()); }
  std::string said() const { return read_all(out_); }
  // Waits for this output.
  bool says(const std::string& text) {
    return fixture_.until([&] { return said() == text; });
  }
  // Waits for its end and leaves it a zombie. Returns the signal that ended it.
  int end() const {
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid()), &info, WEXITED | WNOWAIT) == 0);
    return info.si_status;
  }
  bool runs() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid()), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           info.si_pid == 0;
  }
  void kill() const {
    if (pid() > 0) ::kill(pid(), SIGKILL);
  }
  void reap() {
    if (pid() > 0) wait_for(std::exchange(launched_.pid, 0));
  }

 private:
  std::string out_;
  Launched launched_;
  LoopFixture fixture_;
};

// Prints "renewed" at every SIGUSR1.
inline constexpr const char* kCatching = "trap 'echo renewed' USR1";

// Catches no signal. A shell is not suitable, because it blocks all signals while it starts a program.
inline constexpr const char* kDeaf = "echo ready; exec sleep 60";

}  // namespace spiffe::process
