// A thread whose start may fail, and whose owner need not wait for its end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.hh"

namespace spiffe {

// Instead of std::thread, which throws if the system has no room for another thread (RLIMIT_NPROC, pids.max,
// no memory for a stack), and whose join() waits as long as a library hangs. An object belongs to one thread.
class Thread {
 public:
  // Runs `body` in a new thread. Errors: kind io with errno, usually EAGAIN. An exception that leaves `body`
  // ends the process.
  static Result<Thread> start(std::function<void()> body);
  Thread() = default;  // no thread
  Thread(Thread&&) noexcept = default;
  // The target must not have a running thread: it must have ended or been left behind.
  Thread& operator=(Thread&&) noexcept = default;
  // Leaves a running thread behind: see join_within().
  ~Thread();

  // Waits for the thread to end. Returns false if it does not end in time: it is then left behind, and must
  // share ownership of everything that it still uses.
  bool join_within(std::chrono::milliseconds patience);
  // Waits for the thread to end, without a limit.
  void join();
  // Whether there is a thread that was neither joined nor left behind.
  [[nodiscard]] bool running() const { return state_ != nullptr; }

  // The number of threads left behind that still run. While it is not 0, the process must end by _exit(),
  // because they may use static objects that exit() destroys. Any thread.
  [[nodiscard]] static int left_behind();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace spiffe
