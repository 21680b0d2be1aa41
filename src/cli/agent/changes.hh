// What differs between two messages of FetchX509SVID. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/agent/x509_view.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"

namespace spiffe::cli {

struct SvidChange {
  // In the views that were compared, which outlive this; null: added, or removed.
  const SvidView* before = nullptr;
  const SvidView* after = nullptr;

  // Of one that was there before and is there still.
  [[nodiscard]] bool renewed() const;    // another leaf
  [[nodiscard]] bool rechained() const;  // other intermediates
};

struct BundleChange {
  std::string domain;
  const BundleView* before = nullptr;
  const BundleView* after = nullptr;
  std::vector<identity::Certificate> added;
  std::vector<identity::Certificate> removed;
};

struct Changes {
  std::vector<SvidChange> svids;
  std::vector<BundleChange> bundles;  // by the name of the trust domain

  [[nodiscard]] bool none() const { return svids.empty() && bundles.empty(); }
};

// An SVID is the same as one before where its ID and hint are, else where its ID is.
[[nodiscard]] Changes compare(const X509View& before, const X509View& after);

// Lines of at most 80 columns: + for what is new, - for what is gone, ~ for what is another.
[[nodiscard]] std::string text_of(const Changes& changes, WallTime now, const Terminal& terminal);
[[nodiscard]] Json json_of(const Changes& changes, WallTime now);

}  // namespace spiffe::cli
