// One layout at work in one place: the seam between the publisher, which knows places, locks and when, and
// the layouts, which know how.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hh"
#include "base/result.hh"
#include "output/place.hh"
#include "output/publisher.hh"

namespace spiffe::output {

// The last word before anything changes, asked for once (see Publisher::publish).
class Approval {
 public:
  explicit Approval(const std::function<bool()>& ask) : ask_(ask) {}
  [[nodiscard]] Result<void> given() {
    if (!answer_) answer_ = !ask_ || ask_();
    return *answer_ ? Result<void>() : fail(ErrorKind::verification, "not approved");
  }

 private:
  const std::function<bool()>& ask_;
  std::optional<bool> answer_;
};

class Arrangement {
 public:
  virtual ~Arrangement() = default;

  // Makes `items` the set of this place. Leaves that it put there for an earlier set vanish.
  // Where an error comes after the new content became visible, the next call that succeeds says `published`.
  // Asks for the approval as late as it can, and in any case.
  virtual Result<Change> publish(std::span<const Item> items, Approval& approval, BootTime now) = 0;

  // A file that is no member of the set. Asks for the approval where something is to be changed.
  virtual Result<Change> publish_single(const Item& item, Approval& approval) = 0;

  // Removes the leaf wherever this layout keeps it.
  virtual Result<Change> withdraw(const std::string& leaf) = 0;

  virtual void tidy(BootTime /*now*/) {}
  [[nodiscard]] virtual std::optional<BootTime> next_tidy() const { return std::nullopt; }
  virtual void finish() {}
  [[nodiscard]] virtual std::string generation() const { return {}; }
};

}  // namespace spiffe::output
