// One connection of a command to the agent: the common part of fetch and watch.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "base/endpoint.hh"
#include "base/loop.hh"
#include "base/signals.hh"
#include "cli/args/arguments.hh"
#include "cli/text/wait_line.hh"
#include "workload/stream.hh"

namespace spiffe::cli {

// Owns the loop of the command's sources, so it is created before them and outlives them. Shows on stderr
// what the command waits for, and ends at the time limit and on signals. Main thread. The process holds keys
// from now on, so core dumps are disabled.
class Visit {
 public:
  // `timeout`: the default of -timeout. `interrupted`: the exit code after ^C.
  static Result<std::unique_ptr<Visit>> create(const Arguments& arguments, std::chrono::nanoseconds timeout,
                                               int interrupted);
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  [[nodiscard]] Loop& loop() { return *loop_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] WaitLine& line() { return line_; }

  // A source failed; `what` it should provide: "the SVID". A fatal failure ends the visit.
  void lost(std::string_view what, const workload::Lost& lost);
  // The source has provided it.
  void heard(std::string_view what);
  // The answer has arrived: cancels the time limit.
  void settled() { limit_.cancel(); }
  // A line drawn once a second on a terminal unless there is a failure; "" draws nothing.
  struct Idle {
    std::string text;
    Colour colour = Colour::dim;
  };
  void idle(std::function<Idle()> line) { idle_ = std::move(line); }

  // Runs until end(). Returns the exit code; errors have been reported.
  int run();
  void end(int code);
  void end(Error error);
  // Once this is true, ignore further messages of sources.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  explicit Visit(std::unique_ptr<Loop> loop, Endpoint endpoint, std::chrono::nanoseconds timeout,
                 int interrupted);
  Result<void> watch_signals();
  void on_signal(int signal);
  void tick();
  void time_is_over();

  std::unique_ptr<Loop> loop_;
  Endpoint endpoint_;
  std::chrono::nanoseconds timeout_;
  int interrupted_;
  WaitLine line_;
  BootTime since_ = BootClock::now();                                // start of the wait
  std::vector<std::pair<std::string, workload::Failure>> failures_;  // of missing answers, the latest last
  std::function<Idle()> idle_;
  Timer limit_;
  Timer ticker_;
  std::unique_ptr<SignalWatch> signals_;
  bool ended_ = false;
  int code_ = 0;
  std::optional<Error> error_;
};

}  // namespace spiffe::cli
