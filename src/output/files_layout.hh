// layout = "files": plain files, each written to a temporary and renamed over its name. Also what the
// snapshot layout uses for single files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "output/arrangement.hh"

namespace spiffe::output {

class FilesLayout : public Arrangement {
 public:
  // `place` outlives this. `may_clean`: what a snapshot layout of ours left may be removed.
  FilesLayout(Place& place, bool may_clean) : place_(place), may_clean_(may_clean) {}

  Result<Change> publish(std::span<const Item> items, Approval& approval, BootTime now) override;
  Result<Change> publish_single(const Item& item, Approval& approval) override {
    return put({&item, 1}, approval);
  }
  Result<Change> withdraw(const std::string& leaf) override;
  void finish() override;

 private:
  struct Known {
    Digest digest{};
    bool whole = false;  // false: a publication of it failed midway, or it was withdrawn
  };

  Result<Change> put(std::span<const Item> items, Approval& approval);
  bool has_content(const Item& item) const;

  Place& place_;
  bool may_clean_;
  bool retired_ = false;                // what a snapshot layout left is gone
  Change owed_ = Change::unchanged;     // done by a call that failed later on
  std::map<std::string, Known> known_;  // by leaf: what was published in this life
  std::vector<std::string> set_;        // leaves of the last set, sorted
};

// Leaves of `items`, sorted.
[[nodiscard]] std::vector<std::string> sorted_leaves(std::span<const Item> items);

}  // namespace spiffe::output
