// The set of files of one place in the layouts without generations: its leaves, and the cleanup of files that
// a snapshot layout or an earlier set left behind.
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
  // `place` must outlive this. `may_clean`: leftovers of a snapshot layout of ours may be removed.
  PlainSet(Place& place, bool may_clean) : place_(place), may_clean_(may_clean) {}

  // Records a change. It is remembered until settle() succeeds, since a step in between may fail.
  void wrote(Change change);
  // Makes `items`, which are all on disk, the current set. Removes leaves of the previous set, calling
  // `forget` after each, and leftovers of a snapshot layout. Returns all changes since it last succeeded.
  Result<Change> settle(std::span<const Item> items,
                        const std::function<void(const std::string& leaf)>& forget);

  // Removes a leaf here and in leftovers of a snapshot layout.
  Result<Change> remove(const std::string& leaf);

  // Whether leftovers of a snapshot layout are removed.
  [[nodiscard]] bool retired() const { return retired_; }

 private:
  Place& place_;
  bool may_clean_;
  bool retired_ = false;
  Change owed_ = Change::unchanged;
  std::vector<std::string> leaves_;  // sorted
};

// The leaves of `items`, sorted.
[[nodiscard]] std::vector<std::string> sorted_leaves(std::span<const Item> items);

}  // namespace spiffe::output
