// The differences between two messages of FetchX509SVID. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/agent/x509_view.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"

namespace spiffe::cli {

constexpr std::size_t kChangeIndent = 4;     // of the rows below a line
constexpr std::size_t kMaxNamedBundles = 6;  // if more are added at once, only the first ones are named

struct SvidChange {
  // Point into the compared views, which outlive this; null: added or removed.
  const SvidView* before = nullptr;
  const SvidView* after = nullptr;

  // For an SVID that is in both messages.
  [[nodiscard]] bool renewed() const;    // its leaf changed
  [[nodiscard]] bool rechained() const;  // its intermediates changed
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

// Two SVIDs are the same if ID and hint are equal, otherwise if the ID is equal.
[[nodiscard]] Changes compare(const X509View& before, const X509View& after);

// Lines of at most 80 columns: + for added, - for removed, ~ for changed.
[[nodiscard]] std::string text_of(const Changes& changes, WallTime now, const Terminal& terminal);
[[nodiscard]] Json json_of(const Changes& changes, WallTime now);

}  // namespace spiffe::cli
