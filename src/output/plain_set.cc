#include "output/plain_set.hh"

#include <algorithm>
#include <utility>

#include "output/cleaner.hh"
#include "output/replace.hh"

namespace spiffe::output {

void PlainSet::wrote(Change change) {
  owed_ = std::max(owed_, change);
}

Result<Change> PlainSet::settle(std::span<const Item> items,
                                const std::function<void(const std::string& leaf)>& forget) {
  std::vector<std::string> leaves = sorted_leaves(items);
  for (const std::string& gone : leaves_) {
    if (std::ranges::binary_search(leaves, gone)) continue;
    if (auto removed = remove_file(place_, gone); !removed) return fail(removed.error());
    forget(gone);
    wrote(Change::published);
  }
  leaves_ = std::move(leaves);
  // Once the files exist, leftovers of a snapshot layout are no longer needed.
  if (may_clean_ && !retired_) {
    if (auto retired = retire_snapshot(place_, leaves_); !retired) return fail(retired.error());
    retired_ = true;
  }
  return std::exchange(owed_, Change::unchanged);
}

Result<Change> PlainSet::remove(const std::string& leaf) {
  const bool generation = may_clean_ && !retired_ && remove_from_live(place_, leaf);
  auto removed = remove_file(place_, leaf);
  if (!removed) return fail(removed.error());
  return *removed || generation ? Change::published : Change::unchanged;
}

std::vector<std::string> sorted_leaves(std::span<const Item> items) {
  std::vector<std::string> leaves;
  leaves.reserve(items.size());
  for (const Item& item : items) leaves.push_back(item.leaf);
  std::ranges::sort(leaves);
  return leaves;
}

}  // namespace spiffe::output
