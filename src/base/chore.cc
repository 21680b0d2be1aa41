#include "base/chore.hh"

#include <utility>

namespace spiffe {

void Chore::wake() {
  if (std::exchange(awake_, true)) return;
  loop_.post([this, alive = std::weak_ptr<char>(alive_)] {
    if (alive.expired()) return;
    awake_ = false;
    piece_();
  });
}

void Chore::cancel() {
  alive_ = std::make_shared<char>();
  awake_ = false;
}

}  // namespace spiffe
