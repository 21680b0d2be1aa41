// One state of a workload's X.509 identity: what a message of FetchX509SVID means. Taken apart first, then
// verified; nobody may see it before verify() had nothing against it. Pure.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "identity/finding.hh"
#include "identity/x509_bundle.hh"
#include "identity/x509_material.hh"
#include "identity/x509_svid.hh"

namespace spiffe::identity {

// Which SVID of a message is ours: the one with this hint, or this SPIFFE ID, or (neither set) the first.
// With a trailing "*" the SPIFFE ID is a prefix, and the first SVID whose ID begins so is taken.
struct X509Selection {
  std::string hint;
  std::string spiffe_id;

  [[nodiscard]] bool operator==(const X509Selection&) const = default;
};

// A refused message. The caller keeps the previous state and stays on the stream (rule 10).
struct Refusal {
  Error error;                         // kind verification
  std::string spiffe_id;               // of the SVID concerned, "" where unknown
  std::optional<WallTime> valid_from;  // set where the same message will do once this time has come (rule 22)
  bool not_offered = false;            // none of the SVIDs is the one selected
};

// What verify() found.
struct Verdict {
  std::optional<Refusal> refusal;
  std::vector<Finding> findings;  // about the SVID, and about those that are not selected
};

// Of several contexts of one message: which SVIDs need not be examined here.
struct Others {
  bool examined = false;              // with another context: all but our own
  std::vector<std::size_t> selected;  // by other contexts, which verify them
};

// Another SVID of the same message that the selection takes as well, verified already.
struct FurtherSvid {
  std::size_t number;  // among those, the selected one is 0; the number of one that is left out stays free
  X509Svid svid;
  X509Bundle bundle;  // of its own trust domain
};

struct X509Context {
  X509Svid svid;                                // the selected one
  X509Bundle bundle;                            // of its own trust domain (rule 14)
  std::map<TrustDomain, X509Bundle> federated;  // never holds svid's own trust domain
  std::size_t svids_received = 1;
  std::size_t selected = 0;  // which of the message's SVIDs it is
  std::size_t matching = 1;  // how many of them the selection would have taken
  std::vector<Finding> findings;
  std::vector<FurtherSvid> further;           // see add_further(), without which there are none
  std::optional<WallTime> further_from = {};  // when one is valid that was left out as too early

  // Rules 10 to 15: what is needed to write it down. `previous` supplies the content of a federated bundle
  // that cannot be read; it may be null. A message of more than 10,000 SVIDs is refused, and one whose
  // selected SVID has more than 1 MiB of certificates or 8 MiB of bundle. `sibling`: another selection of the
  // same message, whose bundles are shared, and which has the findings about what both have in common.
  static std::expected<X509Context, Refusal> read(const X509Material& material,
                                                  const X509Selection& selection, const X509Context* previous,
                                                  const X509Context* sibling = nullptr);
  // For outputs of every SVID: adds those that the selection takes beside the selected one. Rules 18 to 23
  // hold for each; one that is refused is left out with a finding, and refuses nothing else. At most 99, up
  // to 1 MiB. Returns which SVIDs of the message were examined, for Others::selected.
  std::vector<std::size_t> add_further(const X509Material& material, const X509Selection& selection,
                                       WallTime now, bool verify_chain);
  // Rules 18 to 23 for this context, which must come from `material`, and for the SVIDs that nobody has
  // selected: the first 100 of them, up to 1 MiB, and the rest is counted. Most of the time that a message
  // takes. With `verify_chain` false rule 22 is skipped ("verify = false"), all others hold.
  [[nodiscard]] Verdict verify(const X509Material& material, WallTime now, bool verify_chain,
                               const Others& others = {}) const;

  // Both in one. `material` stays whole: callers may come back with it at Refusal::valid_from.
  static std::expected<X509Context, Refusal> from(const X509Material& material,
                                                  const X509Selection& selection, const X509Context* previous,
                                                  WallTime now, bool verify_chain);

  // When the selected SVID ends.
  [[nodiscard]] WallTime not_after() const;
};

}  // namespace spiffe::identity
