#include "base/loop.hh"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include <event2/event.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

namespace spiffe {

namespace {

void read_counter(int fd) {
  std::uint64_t value = 0;
  // EAGAIN and ECANCELED (the clock was set) carry no information that the caller needs.
  [[maybe_unused]] const auto n = ::read(fd, &value, sizeof value);
}

timespec to_timespec(std::chrono::nanoseconds since_epoch) {
  const auto s = std::chrono::floor<std::chrono::seconds>(since_epoch);
  return {.tv_sec = s.count(), .tv_nsec = (since_epoch - s).count()};
}

void arm(int fd, int flags, std::chrono::nanoseconds since_epoch) {
  // An all-zero time would disarm the timer.
  if (since_epoch <= std::chrono::nanoseconds::zero()) since_epoch = std::chrono::nanoseconds(1);
  const itimerspec spec{.it_interval = {}, .it_value = to_timespec(since_epoch)};
  ::timerfd_settime(fd, flags, &spec, nullptr);
}

void disarm(int fd) {
  const itimerspec off{};
  ::timerfd_settime(fd, 0, &off, nullptr);
  read_counter(fd);
}

}  // namespace

struct Loop::Queue {
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
};

Result<std::unique_ptr<Loop>> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop);
  loop->queue_ = std::make_unique<Queue>();
  loop->wakeup_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wakeup_) return fail_errno("eventfd", errno);
  event_config* config = event_config_new();
  if (config == nullptr) return fail("event loop: out of memory");
  // Only one thread touches the base: libevent needs no locks of its own.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  // epoll, whatever EVENT_NOEPOLL says: the wake-up is edge-triggered.
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_require_features(config, EV_FEATURE_ET);
  loop->base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (loop->base_ == nullptr) return fail("event loop: cannot be created");
  loop->wakeup_event_ = event_new(
      // Edge-triggered: its counter need not be read.
      loop->base_, loop->wakeup_.get(), EV_READ | EV_PERSIST | EV_ET,
      [](evutil_socket_t, short, void* self) { static_cast<Loop*>(self)->drain(); }, loop.get());
  if (loop->wakeup_event_ == nullptr || event_add(loop->wakeup_event_, nullptr) != 0) {
    return fail("event loop: cannot watch its own wake-up");
  }
  return loop;
}

Loop::~Loop() {
  if (wakeup_event_ != nullptr) event_free(wakeup_event_);
  if (base_ != nullptr) event_base_free(base_);
}

void Loop::run() {
  // libevent forgets a break that was asked for before its loop began.
  if (!stopping_) event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
  stopping_ = false;
}

void Loop::stop() {
  stopping_ = true;
  event_base_loopbreak(base_);
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
    if (queue_->tasks.size() > 1) return;  // somebody has rung the bell already
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wakeup_.get(), &one, sizeof one);
}

void Loop::drain() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(queue_->mutex);
    tasks.swap(queue_->tasks);
  }
  for (auto& task : tasks) task();
}

Watch::Watch(Loop& loop, int fd, std::function<void()> on_readable)
    : callback_(std::make_shared<std::function<void()>>(std::move(on_readable))) {
  event_ = event_new(
      loop.native(), fd, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* arg) {
        // A copy of the owner keeps the callback alive while it drops its own Watch.
        const auto keep = *static_cast<std::shared_ptr<std::function<void()>>*>(arg);
        (*keep)();
      },
      &callback_);
  if (event_ == nullptr || event_add(event_, nullptr) != 0) std::abort();  // out of memory
}

Watch::~Watch() {
  event_free(event_);
}

Timer::Timer(Loop& loop, std::function<void()> on_fire)
    : fd_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)), on_fire_(std::move(on_fire)) {
  if (!fd_) std::abort();  // out of descriptors at start
  watch_ = std::make_unique<Watch>(loop, fd_.get(), [this] {
    std::uint64_t value = 0;
    if (::read(fd_.get(), &value, sizeof value) != sizeof value) return;  // cancelled in this very round
    armed_ = false;
    on_fire_();
  });
}

void Timer::after(std::chrono::nanoseconds delay) {
  at(BootClock::now() + delay);
}

void Timer::at(BootTime when) {
  if (std::exchange(armed_, true) && when == due_) return;
  due_ = when;
  arm(fd_.get(), TFD_TIMER_ABSTIME, when.time_since_epoch());
}

void Timer::cancel() {
  if (std::exchange(armed_, false)) disarm(fd_.get());
}

WallTimer::WallTimer(Loop& loop, std::function<void()> on_fire)
    : fd_(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)), on_fire_(std::move(on_fire)) {
  if (!fd_) std::abort();
  watch_ = std::make_unique<Watch>(loop, fd_.get(), [this] {
    read_counter(fd_.get());
    armed_ = false;
    on_fire_();
  });
}

void WallTimer::at(WallTime when) {
  // Too early is no harm, and most deadlines are only ever put off.
  if (std::exchange(armed_, true) && when >= due_) return;
  due_ = when;
  arm(fd_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
      std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()));
}

void WallTimer::cancel() {
  if (std::exchange(armed_, false)) disarm(fd_.get());
}

}  // namespace spiffe
