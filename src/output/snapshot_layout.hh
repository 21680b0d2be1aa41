// layout = "snapshot": renaming "..data" changes a set as a whole.
//
//   svid.pem -> ..data/svid.pem     leaf links, renamed anew by every publication, for readers that watch a
//   name
//   ..data -> ..gen.<id>            the switch
//   ..gen.<id>/svid.pem             one generation, never changed except to correct a mode or owner
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "output/arrangement.hh"
#include "output/files_layout.hh"
#include "output/generation.hh"
#include "output/temporaries.hh"

namespace spiffe::output {

class SnapshotLayout : public Arrangement {
 public:
  // As FilesLayout.
  SnapshotLayout(Place& place, bool may_clean)
      : place_(place), may_clean_(may_clean), singles_(place, false) {}

  Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) override;
  Result<Change> withdraw(const std::string& leaf) override;
  void tidy(BootTime now) override;
  [[nodiscard]] std::optional<BootTime> next_tidy() const override;
  void finish() override;
  [[nodiscard]] std::string generation() const override { return live_ ? live_->id : std::string(); }

 private:
  struct Known {
    std::string leaf;
    Sha256 digest;
    [[nodiscard]] bool operator==(const Known&) const = default;
  };
  struct Superseded {
    std::string id;
    std::vector<std::string> leaves;
    BootTime due;
  };

  using Items = std::span<const Item>;
  struct Next;

  void adopt(const std::optional<std::string>& id, Items items);
  void remember(Items items);
  [[nodiscard]] bool is_live(Items items) const;
  Result<std::unique_ptr<Next>> build(Items items);
  Result<Change> publish(Next& next, BootTime now);
  Result<void> switch_to(Next& next, const std::optional<std::string>& before, BootTime now);
  [[nodiscard]] std::vector<Ownership> decide_owners(Items items, std::span<const Leaf> found) const;
  void supersede(const std::optional<std::string>& before, Generation next, Items items, BootTime now);
  void remove_oldest();
  // Frees disk space, if possible. Returns whether it did.
  bool make_room(const Error& error);
  [[nodiscard]] bool crowded() const;

  // Each of these returns whether anything changed.
  Result<bool> repair(Items items, const std::optional<std::string>& id);
  Result<bool> repair_files(Items items);
  Result<bool> repair_leaves(Items items);
  Result<bool> link_leaves(Items items, std::span<const Leaf> found, Temporaries& links);
  [[nodiscard]] bool files_are_there(Items items) const;

  Place& place_;
  bool may_clean_;
  FilesLayout singles_;
  bool adopted_ = false;                     // what an earlier run published has been checked
  std::optional<Generation> live_;           // held open: its files are needed for their owners
  std::vector<std::string> live_leaves_;     // sorted
  std::optional<std::vector<Known>> known_;  // content of the live generation, if known
  bool complete_ = true;                     // all leaf links of the live generation are in place
  std::vector<std::string> gone_;            // leaves of earlier sets whose links are to be removed
  std::set<std::string> mounted_;            // leaves that cannot be renamed over
  std::deque<Superseded> superseded_;        // oldest first
};

}  // namespace spiffe::output
