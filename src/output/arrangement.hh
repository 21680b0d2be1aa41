// One layout applied to one directory. This is the interface between the publisher, which decides where and
// when, and the layouts, which decide how.
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

// Items that are ready to be published: everything is done that readers cannot see. Destroying it undoes
// that. The arrangement and the items must outlive it.
class Prepared {
 public:
  Prepared() = default;
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  virtual ~Prepared() = default;

  // Publishes them; call it at most once. If an error comes after the new content became visible, the next
  // successful publication returns `published`.
  virtual Result<Change> commit(BootTime now) = 0;
};

class Arrangement {
 public:
  virtual ~Arrangement() = default;

  // Prepares to make `items` the set of this place: leaves that it published for an earlier set are removed
  // by the commit. With `alone`, the items are not members of the set and do not affect it.
  virtual Result<std::unique_ptr<Prepared>> prepare(std::span<const Item> items, bool alone) = 0;

  // Removes the leaf everywhere this layout keeps it.
  virtual Result<Change> withdraw(const std::string& leaf) = 0;

  virtual void tidy(BootTime /*now*/) {}
  [[nodiscard]] virtual std::optional<BootTime> next_tidy() const { return std::nullopt; }
  virtual void finish() {}
  [[nodiscard]] virtual std::string generation() const { return {}; }
};

}  // namespace spiffe::output
