// The event loop: a thin RAII skin over libevent. Everything here belongs to the thread that runs the loop,
// except Loop::post().
//
// Constructing a Watch or a Timer registers it; dropping it unregisters it. A Watch's callback may drop the
// Watch itself.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/result.hh"

struct event;
struct event_base;

namespace spiffe {

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(), and not at all where that was called before. Posted tasks that are still queued when
  // it returns wait for the next run, or are dropped with the loop.
  void run();
  void stop();

  // Any thread: runs `task` on the loop's thread, in the order posted. Never blocks on the loop.
  void post(std::function<void()> task);

  [[nodiscard]] event_base* native() const { return base_; }

 private:
  Loop() = default;
  void drain();

  struct Queue;
  event_base* base_ = nullptr;
  Fd wakeup_;  // eventfd
  event* wakeup_event_ = nullptr;
  bool stopping_ = false;
  std::unique_ptr<Queue> queue_;
};

// Calls back whenever `fd` is readable (level-triggered). The descriptor stays the caller's.
class Watch {
 public:
  Watch(Loop& loop, int fd, std::function<void()> on_readable);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::shared_ptr<std::function<void()>> callback_;
  event* event_ = nullptr;
};

// A one-shot timer on CLOCK_BOOTTIME (time in suspend counts). Arming again replaces the earlier deadline.
// Its callback may arm it again but must not drop it.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_fire);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void after(std::chrono::nanoseconds delay);
  void at(BootTime when);
  void cancel();
  [[nodiscard]] bool armed() const { return armed_; }

 private:
  Fd fd_;
  bool armed_ = false;
  BootTime due_;
  std::function<void()> on_fire_;
  std::unique_ptr<Watch> watch_;
};

// A one-shot timer at a wall-clock time. Also fires when somebody sets the clock, and early where it was put
// off while armed: callers look at the time again and re-arm.
class WallTimer {
 public:
  WallTimer(Loop& loop, std::function<void()> on_fire);
  WallTimer(const WallTimer&) = delete;
  WallTimer& operator=(const WallTimer&) = delete;
  void at(WallTime when);
  void cancel();

 private:
  Fd fd_;
  bool armed_ = false;
  WallTime due_;
  std::function<void()> on_fire_;
  std::unique_ptr<Watch> watch_;
};

}  // namespace spiffe
