#include "base/loop.hh"

#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include <event2/event.h>
#include <sys/eventfd.h>
#include <time.h>

namespace spiffe {

namespace {

// If a loop cannot be created, the process is nearly always out of descriptors.
std::unexpected<Error> cannot_create(std::string_view what, int code) {
  Error error = fail_errno(std::string("event loop: ") + std::string(what), code).error();
  if (code == EMFILE || code == ENFILE) {
    error.hint = "too many files are open: raise the limit of open files (ulimit -n, LimitNOFILE=)";
  } else if (code == ENOSYS || code == EPERM) {
    error.hint = "the kernel or a seccomp profile refuses the call; Linux 5.3 or later is needed";
  } else {
    error.hint = "the system has no memory left for this process: look at its limits";
  }
  return fail(std::move(error));
}

}  // namespace

struct Poster::Queue {
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
  Fd wakeup;  // eventfd
  bool closed = false;
};

void Poster::post(std::function<void()> task) const {
  const std::lock_guard lock(queue_->mutex);
  if (queue_->closed) return;
  queue_->tasks.push_back(std::move(task));
  if (queue_->tasks.size() > 1) return;  // the wake-up is already pending
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(queue_->wakeup.get(), &one, sizeof one);
}

Result<std::unique_ptr<Loop>> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop);
  const auto queue = std::make_shared<Poster::Queue>();
  loop->poster_ = Poster(queue);
  queue->wakeup = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!queue->wakeup) return cannot_create("eventfd", errno);
  {
    // libevent ends the process if it gets no descriptors for its own signal handling, which we do not use.
    // Check first that there are enough.
    std::array<Fd, 4> spare;
    for (Fd& each : spare) {
      each = Fd(::eventfd(0, EFD_CLOEXEC));
      if (!each) return cannot_create("eventfd", errno);
    }
  }
  event_config* config = event_config_new();
  if (config == nullptr) return cannot_create("create", ENOMEM);
  // Only one thread uses the base, so libevent needs no locks.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  // Use epoll even if EVENT_NOEPOLL is set: the wake-up is edge-triggered.
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_require_features(config, EV_FEATURE_ET);
  errno = 0;
  loop->base_ = event_base_new_with_config(config);
  const int error = errno;
  event_config_free(config);
  if (loop->base_ == nullptr) return cannot_create("epoll_create", error != 0 ? error : ENOMEM);
  for (auto [clock, alarm] :
       {std::pair(CLOCK_BOOTTIME, &loop->boot_alarm_), std::pair(CLOCK_REALTIME, &loop->wall_alarm_)}) {
    auto created = Alarm::create(clock);
    if (!created) return cannot_create("timerfd_create", created.error().sys);
    *alarm = std::move(*created);
  }
  if (auto watched = loop->watch_own(); !watched) return fail(watched.error());
  return loop;
}

Result<void> Loop::watch_own() {
  wakeup_event_ = event_new(
      // Edge-triggered, so the counter need not be read.
      base_, poster_.queue_->wakeup.get(), EV_READ | EV_PERSIST | EV_ET,
      [](evutil_socket_t, short, void* self) { static_cast<Loop*>(self)->drain(); }, this);
  if (wakeup_event_ == nullptr || event_add(wakeup_event_, nullptr) != 0) {
    return cannot_create("watch its own wake-up", ENOMEM);
  }
  try {
    boot_watch_ = std::make_unique<Watch>(*this, boot_alarm_->fd(), [this] { boot_alarm_->fire(); });
    wall_watch_ = std::make_unique<Watch>(*this, wall_alarm_->fd(), [this] { wall_alarm_->fire(); });
  } catch (const std::system_error& refused) {
    return cannot_create("watch its own timers", refused.code().value());
  }
  return {};
}

Loop::Loop() : poster_(nullptr) {}

Loop::~Loop() {
  if (poster_.queue_ != nullptr) {
    std::vector<std::function<void()>> dropped;
    const std::lock_guard lock(poster_.queue_->mutex);
    poster_.queue_->closed = true;
    dropped.swap(poster_.queue_->tasks);
  }
  boot_watch_.reset();
  wall_watch_.reset();
  if (wakeup_event_ != nullptr) event_free(wakeup_event_);
  if (base_ != nullptr) event_base_free(base_);
}

void Loop::run() {
  // libevent forgets a break that was requested before its loop began.
  running_ = true;
  if (!stopping_) event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
  running_ = false;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  stopping_ = false;
}

void Loop::run_for(std::chrono::nanoseconds limit) {
  Timer over(*this, [this] { stop(); });
  if (limit.count() > 0) over.after(limit);
  run();
}

void Loop::stop() {
  stopping_ = true;
  event_base_loopbreak(base_);
}

void Loop::call(const std::function<void()>& callback) {
  try {
    callback();
  } catch (...) {
    failure_ = std::current_exception();
    event_base_loopbreak(base_);
  }
}

void Loop::drain() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(poster_.queue_->mutex);
    tasks.swap(poster_.queue_->tasks);
  }
  for (auto& task : tasks) call(task);
}

Watch::Watch(Loop& loop, int fd, std::function<void()> on_readable)
    : target_(std::make_shared<Target>(loop, std::move(on_readable))) {
  event_ = event_new(
      loop.native(), fd, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* arg) {
        // A copy of the owner keeps the callback alive if it destroys its own Watch.
        const auto keep = *static_cast<std::shared_ptr<Target>*>(arg);
        keep->loop.call(keep->on_readable);
      },
      &target_);
  if (event_ != nullptr && event_add(event_, nullptr) == 0) return;
  const int error = event_ == nullptr || errno == 0 ? ENOMEM : errno;
  if (event_ != nullptr) event_free(event_);
  throw std::system_error(error, std::generic_category(), "watch a descriptor");
}

Watch::~Watch() {
  event_free(event_);
}

}  // namespace spiffe
