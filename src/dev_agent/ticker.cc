#include "dev_agent/ticker.hh"

namespace spiffe::dev_agent {

using std::chrono::steady_clock;

Ticker::Ticker() : thread_([this] { run(); }) {}

void Ticker::after(std::chrono::nanoseconds delay, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      tasks_.emplace(steady_clock::now() + delay, std::move(task));
      changed_.notify_one();
      return;
    }
  }
  task();
}

void Ticker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Ticker::run() {
  std::unique_lock lock(mutex_);
  while (!tasks_.empty() || !stopping_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto due = tasks_.begin()->first;
    if (!stopping_ && steady_clock::now() < due) {
      changed_.wait_until(lock, due);
      continue;
    }
    const auto task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace spiffe::dev_agent
