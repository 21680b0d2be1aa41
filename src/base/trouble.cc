#include "base/trouble.hh"

#include <algorithm>
#include <utility>

namespace spiffe {

Trouble::Say Trouble::failed(std::string_view cause, BootTime now) {
  const bool first = !std::exchange(begun_, true);
  if (!first && cause == cause_) return look(now);
  cause_ = cause;
  last_line_ = now;
  return first ? Say::begins : Say::changes;
}

Trouble::Say Trouble::look(BootTime now) {
  if (now < due()) return Say::nothing;
  last_line_ = now;
  return Say::lasts;
}

void Trouble::take_over(const Trouble& other) {
  since_ = std::min(since_, other.since_);
  last_line_ = other.last_line_;
}

}  // namespace spiffe
