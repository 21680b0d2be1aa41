// layout = "files": plain files, each written under a temporary name and renamed to its own. The snapshot
// layout also uses it for single files.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "output/arrangement.hh"
#include "output/plain_set.hh"

namespace spiffe::output {

class FilesLayout : public Arrangement {
 public:
  // `place` must outlive this. `may_clean`: leftovers of a snapshot layout of ours may be removed.
  FilesLayout(Place& place, bool may_clean) : place_(place), set_(place, may_clean) {}

  Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) override;
  Result<Change> withdraw(const std::string& leaf) override;
  void finish() override;

 private:
  struct Known {
    Sha256 digest{};
    bool whole = false;  // false if a publication of it failed midway, or it was withdrawn
  };

  struct Files;

  Result<Change> publish(Files& files);
  Result<Change> replace(Files& files);
  bool has_content(const Item& item) const;

  Place& place_;
  PlainSet set_;
  std::map<std::string, Known> known_;  // by leaf: what was published since the start
};

}  // namespace spiffe::output
