#include "process/restarts.hh"

#include <algorithm>

namespace spiffe::process {

using namespace std::chrono_literals;

namespace {

constexpr auto kLongestWait = 60s;
constexpr auto kLongLife = 60s;
constexpr double kJitter = 0.2;

}  // namespace

std::optional<std::chrono::nanoseconds> Restarts::after(Restart policy, bool failed,
                                                        std::chrono::nanoseconds lived, double random) {
  quick_failures_ = failed && lived < kQuick ? quick_failures_ + 1 : 0;
  if (policy == Restart::never || (policy == Restart::on_failure && !failed)) {
    quick_failures_ = 0;
    return std::nullopt;
  }
  if (gave_up()) return std::nullopt;
  if (lived >= kLongLife) wait_ = 0s;
  wait_ = std::clamp(wait_ * 2, 1s, kLongestWait);
  const double factor = 1.0 + kJitter * (2.0 * random - 1.0);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(static_cast<double>(wait_.count()) * factor));
}

}  // namespace spiffe::process
