// The event loop: a thin RAII layer over libevent. Everything here belongs to the thread that runs the loop,
// except Loop::post() and Poster.
//
// Constructing a Watch or a Timer registers it; destroying it unregisters it. The callback of a Watch may
// destroy the Watch.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>

#include "base/alarm.hh"
#include "base/clock.hh"
#include "base/fd.hh"
#include "base/result.hh"

struct event;
struct event_base;

namespace spiffe {

class Watch;

// Posts tasks to a loop from any thread, even one that outlives the loop. Tasks posted after the loop's end
// are dropped.
class Poster {
 public:
  // Runs `task` on the loop's thread, in the order of posting. Never waits for the loop.
  void post(std::function<void()> task) const;

 private:
  friend class Loop;
  struct Queue;
  explicit Poster(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
  std::shared_ptr<Queue> queue_;
};

class Loop {
 public:
  // Takes four descriptors. Timers and posted tasks take no further ones.
  static Result<std::unique_ptr<Loop>> create();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(); returns at once if stop() was called before. Tasks still queued when it returns wait
  // for the next run, or are dropped with the loop. Rethrows an exception of a callback; run() may be called
  // again after that.
  void run();
  // As run(), but for at most `limit`; 0 means no limit.
  void run_for(std::chrono::nanoseconds limit);
  void stop();
  // Whether run() is on the stack: false in destructors that run after the loop.
  [[nodiscard]] bool running() const { return running_; }

  // For any thread that does not outlive the loop.
  void post(std::function<void()> task) { poster_.post(std::move(task)); }
  [[nodiscard]] Poster poster() const { return poster_; }

  // Calls `callback` for libevent. An exception must not pass through its C code, so run() rethrows it.
  void call(const std::function<void()>& callback);

  [[nodiscard]] event_base* native() const { return base_; }

 private:
  friend class Timer;
  friend class WallTimer;
  Loop();
  Result<void> watch_own();
  void drain();

  event_base* base_ = nullptr;
  event* wakeup_event_ = nullptr;
  bool stopping_ = false;
  bool running_ = false;
  std::exception_ptr failure_;
  Poster poster_;
  std::unique_ptr<Alarm> boot_alarm_;
  std::unique_ptr<Alarm> wall_alarm_;
  std::unique_ptr<Watch> boot_watch_;
  std::unique_ptr<Watch> wall_watch_;
};

// Calls back whenever `fd` is readable (level-triggered). The caller keeps ownership of the descriptor. The
// constructor throws std::system_error if the system refuses memory or the registration.
class Watch {
 public:
  Watch(Loop& loop, int fd, std::function<void()> on_readable);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  struct Target {
    Loop& loop;
    std::function<void()> on_readable;
  };
  std::shared_ptr<Target> target_;
  event* event_ = nullptr;
};

// A one-shot timer on CLOCK_BOOTTIME, which also counts while the machine is suspended. Arming it again
// replaces the deadline. Its callback may arm it again but must not destroy it. The loop must outlive it.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_fire)
      : alarm_(*loop.boot_alarm_), entry_{.on_fire = std::move(on_fire)} {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void after(std::chrono::nanoseconds delay) { at(BootClock::now() + delay); }
  void at(BootTime when) { alarm_.set(entry_, when.time_since_epoch()); }
  void cancel() { alarm_.cancel(entry_); }
  [[nodiscard]] bool armed() const { return entry_.armed; }

 private:
  Alarm& alarm_;
  Alarm::Entry entry_;
};

// A one-shot timer at a wall-clock time. It also fires when the clock is set: callers compare the time again
// and arm it again if needed. The loop must outlive it.
class WallTimer {
 public:
  WallTimer(Loop& loop, std::function<void()> on_fire)
      : alarm_(*loop.wall_alarm_), entry_{.on_fire = std::move(on_fire)} {}
  ~WallTimer() { cancel(); }
  WallTimer(const WallTimer&) = delete;
  WallTimer& operator=(const WallTimer&) = delete;
  void at(WallTime when) { alarm_.set(entry_, when.time_since_epoch()); }
  void cancel() { alarm_.cancel(entry_); }

 private:
  Alarm& alarm_;
  Alarm::Entry entry_;
};

}  // namespace spiffe
