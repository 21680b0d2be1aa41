// A visit to the agent: what fetch and watch have in common.
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

// Owns the loop that the sources of a command live on, so it is made before them and outlives them. Says on
// stderr what is waited for, ends when the time is over, and when a person or a supervisor says so. Main
// thread. The process holds keys from now on: core dumps are forbidden.
class Visit {
 public:
  // `timeout`: where -timeout says nothing. `interrupted`: the exit code after ^C.
  static Result<std::unique_ptr<Visit>> create(const Arguments& arguments, std::chrono::nanoseconds timeout,
                                               int interrupted);
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  [[nodiscard]] Loop& loop() { return *loop_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] WaitLine& line() { return line_; }

  // A source's trouble; `what` it is to bring: "the SVID". What is fatal ends the visit.
  void lost(std::string_view what, const workload::Lost& lost);
  // It has brought it.
  void heard(std::string_view what);
  // What is waited for is there: the time limit counts no more.
  void settled() { limit_.cancel(); }
  // To be drawn once a second on a terminal while nothing is wrong; "" draws nothing.
  struct Idle {
    std::string text;
    Colour colour = Colour::dim;
  };
  void idle(std::function<Idle()> line) { idle_ = std::move(line); }

  // Until end(). Returns the exit code; errors have been told.
  int run();
  void end(int code);
  void end(Error error);
  // What a source still says then is for nobody.
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
  BootTime since_ = BootClock::now();  // when waiting began
  std::vector<std::pair<std::string, workload::Failure>>
      failures_;  // of what is not there, the last one last
  std::function<Idle()> idle_;
  Timer limit_;
  Timer ticker_;
  std::unique_ptr<SignalWatch> signals_;
  bool ended_ = false;
  int code_ = 0;
  std::optional<Error> error_;
};

}  // namespace spiffe::cli
