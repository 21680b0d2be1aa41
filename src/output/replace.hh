// Puts files at their names: by rename, or in place if a name cannot be renamed over.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.hh"
#include "output/leaf.hh"
#include "output/place.hh"
#include "output/temporaries.hh"

namespace spiffe::output {

// Files under temporary names, each to be renamed to its own name. Destroying it removes them.
class Replacement {
 public:
  // Writes them all. `place` and everything that `items` refers to must outlive this.
  static Result<Replacement> prepare(Place& place, std::span<const Item> items);

  // Renames them in the given order, then syncs the directory. An error before the first rename changes
  // nothing.
  Result<void> commit();

 private:
  Replacement(Place& place, std::span<const Item> items)
      : place_(&place), items_(items.begin(), items.end()), temporaries_(place) {}
  Place* place_;
  std::vector<Item> items_;
  std::vector<Leaf> found_;  // at the names of `items_`
  Temporaries temporaries_;
};

// prepare() and commit() together.
Result<void> replace_files(Place& place, std::span<const Item> items);

// Whether rename(2) failed because something is mounted on the name.
[[nodiscard]] bool cannot_be_renamed(int code);

// For a name that cannot be renamed over: writes it in place unless it has the content already, with one
// notice. Returns whether anything changed.
Result<bool> write_mounted(const Place& place, const Item& item);

// Removes a plain file, or empties it if its name cannot be removed. Returns whether there was one.
Result<bool> remove_file(const Place& place, const std::string& leaf);

}  // namespace spiffe::output
