// Files and links under temporary names, to be renamed into place. The destructor removes those that were
// not.
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
  explicit Temporaries(Place& place) : place_(&place) {}  // `place` must outlive this
  Temporaries(Temporaries&& other) noexcept
      : place_(other.place_), names_(std::exchange(other.names_, {})), next_(std::exchange(other.next_, 0)) {}
  Temporaries& operator=(Temporaries&&) = delete;
  ~Temporaries();

  // Adds a complete, synced file. Uses another name if one is taken.
  Result<void> add_file(const Item& item, const Ownership& ownership);
  // Adds a symlink; errors name `leaf`.
  Result<void> add_link(const std::string& leaf, const std::string& target);

  // Renames the oldest one to `name`. Returns 0 or errno; after an error it is still the oldest.
  [[nodiscard]] int rename_next(const std::string& name);
  // Removes the oldest one.
  void drop_next();

 private:
  Place* place_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

}  // namespace spiffe::output
