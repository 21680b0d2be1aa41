// layout = "files": plain files, each written to a temporary and renamed over its name. Also what the
// snapshot layout uses for single files.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "output/arrangement.hh"

namespace spiffe::output {

class FilesLayout : public Arrangement {
 public:
  // `place` outlives this. `may_clean`: what a snapshot layout of ours left may be removed.
  FilesLayout(Place& place, bool may_clean) : place_(place), may_clean_(may_clean) {}

  Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) override;
  Result<Change> withdraw(const std::string& leaf) override;
  void finish() override;

 private:
  struct Known {
    Digest digest{};
    bool whole = false;  // false: a publication of it failed midway, or it was withdrawn
  };

  struct Files;

  Result<Change> publish(Files& files);
  Result<Change> replace(Files& files);
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
