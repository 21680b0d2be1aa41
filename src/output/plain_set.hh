// The set of files of one place in the layouts without generations: which leaves it has, and what became of
// those that a snapshot layout or an earlier set left there.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "output/place.hh"
#include "output/publisher.hh"

namespace spiffe::output {

class PlainSet {
 public:
  // `place` outlives this. `may_clean`: what a snapshot layout of ours left may be removed.
  PlainSet(Place& place, bool may_clean) : place_(place), may_clean_(may_clean) {}

  // Something was written for the set. Remembered until settle() succeeds: a step between may fail.
  void wrote(Change change);
  // `items`, which are all on disk, are the set from now on: leaves of the one before are removed, each after
  // a call of `forget`, and so is what a snapshot layout left. Returns all that was done since it last
  // succeeded.
  Result<Change> settle(std::span<const Item> items,
                        const std::function<void(const std::string& leaf)>& forget);

  // Removes a leaf here and in what a snapshot layout left.
  Result<Change> remove(const std::string& leaf);

  // What a snapshot layout left is gone.
  [[nodiscard]] bool retired() const { return retired_; }

 private:
  Place& place_;
  bool may_clean_;
  bool retired_ = false;
  Change owed_ = Change::unchanged;
  std::vector<std::string> leaves_;  // sorted
};

// Leaves of `items`, sorted.
[[nodiscard]] std::vector<std::string> sorted_leaves(std::span<const Item> items);

}  // namespace spiffe::output
