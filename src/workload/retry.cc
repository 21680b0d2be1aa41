#include "workload/retry.hh"

#include <algorithm>

namespace spiffe::workload {

using namespace std::chrono_literals;

namespace {

constexpr int kMaxSteps = 30;       // 1, 2, 3 … 30 s
constexpr auto kRefusedWait = 30s;  // InvalidArgument and Unimplemented after a good message
constexpr auto kProbe = 1s;         // connect(2) while the socket is missing …
constexpr auto kLongGone = 60s;     // … and after it was missing for a minute
constexpr auto kLongGoneProbe = 5s;
constexpr double kJitter = 0.2;

}  // namespace

Retry::Duration Retry::jittered(std::chrono::seconds base, double random) {
  return base + Duration(static_cast<long>(random * kJitter * 1000.0 * static_cast<double>(base.count())));
}

Retry::Step Retry::lost(FailureKind kind, bool unix_socket, std::chrono::nanoseconds boot, double random) {
  if (kind == FailureKind::invalid_argument || kind == FailureKind::unimplemented) {
    return {.wait = jittered(kRefusedWait, random), .probe = false, .fatal = !ever_good_};
  }
  const bool fatal = kind == FailureKind::no_room && !ever_good_;
  if (kind == FailureKind::unreachable && unix_socket) {
    if (gone_since_ < 0ns) gone_since_ = boot;
    return {.wait = next_probe(boot), .probe = true, .fatal = false};
  }
  gone_since_ = -1ns;
  attempts_ = std::min(attempts_ + 1, kMaxSteps);
  return {.wait = jittered(std::chrono::seconds(attempts_), random), .probe = false, .fatal = fatal};
}

void Retry::good_message() {
  attempts_ = 0;
  ever_good_ = true;
  gone_since_ = -1ns;
}

Retry::Duration Retry::answered(double random) {
  attempts_ = 0;
  gone_since_ = -1ns;
  return Duration(static_cast<long>(random * 500.0));
}

Retry::Duration Retry::next_probe(std::chrono::nanoseconds boot) const {
  return gone_since_ >= 0ns && boot - gone_since_ >= kLongGone ? Duration(kLongGoneProbe) : Duration(kProbe);
}

}  // namespace spiffe::workload
