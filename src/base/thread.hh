// A thread whose start may fail, and whose owner need not wait for its end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.hh"

namespace spiffe {

// std::thread throws where the system has no room for another thread (RLIMIT_NPROC, pids.max, no memory for a
// stack), and its join() waits for as long as a library hangs. Belongs to one thread.
class Thread {
 public:
  // Runs `body`. Errors: kind io, with errno, nearly always EAGAIN. What an exception leaves `body` with ends
  // the process.
  static Result<Thread> start(std::function<void()> body);
  Thread() = default;  // none: has ended
  Thread(Thread&&) noexcept = default;
  // Only onto one that has ended or was left behind.
  Thread& operator=(Thread&&) noexcept = default;
  // Leaves a thread behind that has not ended: see join_within().
  ~Thread();

  // Waits for the end. False: it has not come in time. The thread is left behind then, so it must own,
  // together with others, whatever it still uses.
  bool join_within(std::chrono::milliseconds patience);
  // Waits for the end, however long that takes.
  void join();
  // Whether there is a thread that nobody has waited for or left behind.
  [[nodiscard]] bool running() const { return state_ != nullptr; }

  // How many threads that were left behind still run. While there are any, the process must end by _exit():
  // they may use what the destructors of static objects destroy. Any thread.
  [[nodiscard]] static int left_behind();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace spiffe
