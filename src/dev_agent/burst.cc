// Bursts of an Agent: many rotations at an exact rate.
#include <algorithm>
#include <cerrno>

#include <time.h>

#include "dev_agent/agent.hh"

namespace spiffe::dev_agent {

namespace {

using namespace std::chrono_literals;

constexpr double kFastest = 1e6;
constexpr auto kLongestSleep = 50ms;  // so that a stop does not wait for a slow burst

std::chrono::nanoseconds monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

void nap_until(std::chrono::nanoseconds when) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(when);
  const timespec at{static_cast<time_t>(whole.count()), static_cast<long>((when - whole).count())};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

}  // namespace

Result<> Agent::burst(std::uint64_t count, double rate) {
  if (!(rate > 0) || rate > kFastest) return fail(ErrorKind::usage, "a rate is more than 0 and at most 1e6");
  const std::lock_guard lock(mutex_);
  if (burst_running_) return fail("a burst is under way");
  if (stopping_) return fail("the agent is stopping");
  if (burst_thread_.joinable()) burst_thread_.join();  // it does not take mutex_ any more
  burst_running_ = true;
  burst_error_.reset();
  burst_ = {};
  burst_thread_ = std::thread([this, count, rate] { run_burst(count, rate); });
  return {};
}

Result<Agent::Burst> Agent::wait_burst() {
  std::unique_lock lock(mutex_);
  burst_changed_.wait(lock, [this] { return !burst_running_ || stopping_; });
  if (burst_error_) return fail(*burst_error_);
  if (burst_running_) return fail("the agent is stopping");
  return Burst{burst_.sent, burst_.took, hub_.seq()};
}

bool Agent::sleep_until(std::chrono::nanoseconds monotonic) const {
  for (auto now = monotonic_now(); now < monotonic; now = monotonic_now()) {
    if (stopping_) return false;
    nap_until(std::min(monotonic, now + kLongestSleep));
  }
  return !stopping_;
}

void Agent::run_burst(std::uint64_t count, double rate) {
  const auto start = monotonic_now();
  std::unique_lock lock(mutex_);
  for (std::uint64_t i = 0; i < count; ++i) {
    // Keys and certificates are made in advance, so that the push itself is short.
    auto snapshot = fresh_snapshot();
    if (!snapshot) {
      burst_error_ = snapshot.error();
      break;
    }
    auto state = make_state(*snapshot);
    const std::uint64_t made_of = generation_;
    lock.unlock();
    const auto due = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(i) / rate));
    const bool go_on = sleep_until(start + due);
    lock.lock();
    if (!go_on) break;
    if (made_of != generation_) {
      put_bundles(*snapshot);
      state = make_state(*snapshot);
    }
    push(std::move(state), true);
    last_ = *std::move(snapshot);
    spoiled_by_ = nullptr;
    ++burst_.sent;
  }
  burst_.took = monotonic_now() - start;
  burst_running_ = false;
  burst_changed_.notify_all();
}

}  // namespace spiffe::dev_agent
