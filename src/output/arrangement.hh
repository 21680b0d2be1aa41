// One layout at work in one place: the seam between the publisher, which knows places, locks and when, and
// the layouts, which know how.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hh"
#include "base/result.hh"
#include "output/place.hh"
#include "output/publisher.hh"

namespace spiffe::output {

// Items that are ready to be published, with everything done that readers cannot see. Dropped, it takes that
// back. The arrangement and the items outlive it.
class Prepared {
 public:
  Prepared() = default;
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  virtual ~Prepared() = default;

  // Publishes them. At most once. Where an error comes after the new content became visible, the next
  // publication that succeeds says `published`.
  virtual Result<Change> commit(BootTime now) = 0;
};

class Arrangement {
 public:
  virtual ~Arrangement() = default;

  // Prepares to make `items` the set of this place: leaves that it put there for an earlier set vanish with
  // the commit. `alone`: the items are no members of the set, and change nothing of it.
  virtual Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) = 0;

  // Removes the leaf wherever this layout keeps it.
  virtual Result<Change> withdraw(const std::string& leaf) = 0;

  virtual void tidy(BootTime /*now*/) {}
  [[nodiscard]] virtual std::optional<BootTime> next_tidy() const { return std::nullopt; }
  virtual void finish() {}
  [[nodiscard]] virtual std::string generation() const { return {}; }
};

}  // namespace spiffe::output
