// Work that is done in pieces, one a turn of the loop: whatever else happens there waits for one piece at
// most.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hh"

namespace spiffe {

// Loop thread only.
class Chore {
 public:
  // `piece` wakes the chore again where there is more to do. It must not drop it.
  Chore(Loop& loop, std::function<void()> piece) : loop_(loop), piece_(std::move(piece)) {}
  Chore(const Chore&) = delete;
  Chore& operator=(const Chore&) = delete;

  // There is something to do: a piece in the next turn, after what is posted already.
  void wake();
  // Not even the piece that it was woken for.
  void cancel();

 private:
  Loop& loop_;
  std::function<void()> piece_;
  bool awake_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace spiffe
