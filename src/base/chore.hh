// Work done in pieces, one per turn of the loop, so that other events wait for at most one piece.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hh"

namespace spiffe {

// Loop thread only.
class Chore {
 public:
  // `piece` calls wake() if there is more to do. It must not destroy the chore.
  Chore(Loop& loop, std::function<void()> piece) : loop_(loop), piece_(std::move(piece)) {}
  Chore(const Chore&) = delete;
  Chore& operator=(const Chore&) = delete;

  // Runs one piece in the next turn, after the tasks that are already posted.
  void wake();
  // Cancels the pending piece, if any.
  void cancel();

 private:
  Loop& loop_;
  std::function<void()> piece_;
  bool awake_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace spiffe
