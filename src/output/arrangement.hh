// One layout at work in one place: the seam between the publisher, which knows places, locks and when, and
// the layouts, which know how.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/clock.hh"
#include "base/result.hh"
#include "output/place.hh"
#include "output/publisher.hh"

namespace spiffe::output {

class Arrangement {
 public:
  virtual ~Arrangement() = default;

  // Makes `items` the set of this place. Leaves that it put there for an earlier set vanish.
  // Where an error comes after the new content became visible, the next call that succeeds says `published`.
  virtual Result<Change> publish(std::span<const Item> items, BootTime now) = 0;

  // A file that is no member of the set.
  virtual Result<Change> publish_single(const Item& item) = 0;

  // Removes the leaf wherever this layout keeps it.
  virtual Result<Change> withdraw(const std::string& leaf) = 0;

  virtual void tidy(BootTime /*now*/) {}
  [[nodiscard]] virtual std::optional<BootTime> next_tidy() const { return std::nullopt; }
  virtual void finish() {}
  [[nodiscard]] virtual std::string generation() const { return {}; }
};

}  // namespace spiffe::output
