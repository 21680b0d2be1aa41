// Files and links under temporary names that wait to be renamed into place. Those that never were are removed
// with the object.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hh"
#include "output/leaf.hh"
#include "output/place.hh"

namespace spiffe::output {

class Temporaries {
 public:
  explicit Temporaries(Place& place) : place_(&place) {}  // `place` outlives this
  Temporaries(Temporaries&& other) noexcept
      : place_(other.place_), names_(std::exchange(other.names_, {})), next_(std::exchange(other.next_, 0)) {}
  Temporaries& operator=(Temporaries&&) = delete;
  ~Temporaries();

  // A whole, synced file. A name that is planted or left over is no obstacle.
  Result<void> add_file(const Item& item, const Ownership& ownership);
  // A symlink; `leaf` is what an error names.
  Result<void> add_link(const std::string& leaf, const std::string& target);

  // Renames the oldest one over `name`. 0 or errno, and then it is still the oldest.
  [[nodiscard]] int rename_next(const std::string& name);
  // Removes the oldest one.
  void drop_next();

 private:
  Place* place_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

}  // namespace spiffe::output
