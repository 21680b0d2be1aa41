#include "process/restarts.hh"

#include <algorithm>

namespace spiffe::process {

using namespace std::chrono_literals;

namespace {

constexpr auto kLongestWait = 60s;
constexpr auto kLongLife = 60s;
constexpr double kJitter = 0.2;

std::chrono::nanoseconds jittered(std::chrono::seconds wait, double random) {
  const double factor = 1.0 + kJitter * (2.0 * random - 1.0);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(static_cast<double>(wait.count()) * factor));
}

}  // namespace

std::optional<std::chrono::nanoseconds> Restarts::after(Restart policy, bool failed,
                                                        std::chrono::nanoseconds lived, double random,
                                                        bool limit) {
  shortage_wait_ = 0s;  // there was no shortage this time
  quick_failures_ = failed && lived < kQuick ? quick_failures_ + 1 : 0;
  if (policy == Restart::never || (policy == Restart::on_failure && !failed)) {
    quick_failures_ = 0;
    return std::nullopt;
  }
  if (limit && gave_up()) return std::nullopt;
  if (lived >= kLongLife) wait_ = 0s;
  wait_ = std::clamp(wait_ * 2, 1s, kLongestWait);
  return jittered(wait_, random);
}

std::chrono::nanoseconds Restarts::after_shortage(double random) {
  shortage_wait_ = std::clamp(shortage_wait_ * 2, 1s, kLongestWait);
  return jittered(shortage_wait_, random);
}

}  // namespace spiffe::process
