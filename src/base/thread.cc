#include "base/thread.hh"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace spiffe {

namespace {
std::atomic<int> abandoned = 0;
}

struct Thread::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool left = false;
  std::thread thread;
};

Result<Thread> Thread::start(std::function<void()> body) {
  Thread self;
  try {
    self.state_ = std::make_shared<State>();
    self.state_->thread = std::thread([state = self.state_, run = std::move(body)]() mutable {
      std::exchange(run, nullptr)();  // destroy what `body` owns before the owner is notified of the end
      const std::lock_guard lock(state->mutex);
      state->ended = true;
      if (state->left) --abandoned;
      state->changed.notify_all();
    });
  } catch (const std::system_error& error) {
    self.state_.reset();
    return fail_errno("no thread can be started", error.code().value());
  } catch (const std::bad_alloc&) {
    self.state_.reset();
    return fail_errno("no thread can be started", ENOMEM);
  }
  return self;
}

Thread::~Thread() {
  join_within(std::chrono::milliseconds(0));
}

bool Thread::join_within(std::chrono::milliseconds patience) {
  const auto state = std::exchange(state_, nullptr);
  if (state == nullptr) return true;
  {
    std::unique_lock lock(state->mutex);
    if (!state->changed.wait_for(lock, patience, [&] { return state->ended; })) {
      state->left = true;
      ++abandoned;
      state->thread.detach();
      return false;
    }
  }
  state->thread.join();
  return true;
}

void Thread::join() {
  if (const auto state = std::exchange(state_, nullptr)) state->thread.join();
}

int Thread::left_behind() {
  return abandoned;
}

}  // namespace spiffe
