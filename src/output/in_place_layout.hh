// layout = "in-place": each file is truncated and written in place, symlinks followed. For a consumer that
// mounts a single file and so never sees a rename. Readers may see half a file.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "output/arrangement.hh"
#include "output/in_place_file.hh"
#include "output/plain_set.hh"

namespace spiffe::output {

class InPlaceLayout : public Arrangement {
 public:
  // As FilesLayout.
  InPlaceLayout(Place& place, bool may_clean) : place_(place), set_(place, may_clean) {}

  // Nothing to do: everything in this layout is visible to readers.
  Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) override;
  Result<Change> withdraw(const std::string& leaf) override;

 private:
  struct Files;

  Result<Change> publish(std::span<const Item> items, bool alone);
  Result<Change> put(const Item& item);
  Result<Change> write(const Item& item, bool same);
  Result<void> replace_foreign(const Item& item, const InPlaceFile& found);
  bool has_content(const Item& item) const;

  Place& place_;
  PlainSet set_;
  // By leaf: what was published since the start; nullopt if a write failed midway, or it was withdrawn.
  std::map<std::string, std::optional<Sha256>> known_;
};

}  // namespace spiffe::output
