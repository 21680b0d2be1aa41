// layout = "files": plain files, each written to a temporary and renamed over its name. Also what the
// snapshot layout uses for single files.
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
  // `place` outlives this. `may_clean`: what a snapshot layout of ours left may be removed.
  FilesLayout(Place& place, bool may_clean) : place_(place), set_(place, may_clean) {}

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
  PlainSet set_;
  std::map<std::string, Known> known_;  // by leaf: what was published in this life
};

}  // namespace spiffe::output
