// One state of a workload's X.509 identity: a parsed message of FetchX509SVID. read() parses it, verify()
// verifies it; it must not be published before verify() has accepted it. Pure.
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

// Selects our SVID in a message: the first with this hint, or with this SPIFFE ID, or (if neither is set) the
// first of all, which is the default identity (Workload API, section 8). A SPIFFE ID that ends with "*" is a
// prefix.
struct X509Selection {
  std::string hint;
  std::string spiffe_id;

  [[nodiscard]] bool operator==(const X509Selection&) const = default;
};

// A refused message. The caller keeps the previous state, and the stream stays open.
struct Refusal {
  Error error;                         // kind verification
  std::string spiffe_id;               // of the SVID concerned, "" if unknown
  std::optional<WallTime> valid_from;  // set if the same message will be valid at this time
  bool not_offered = false;            // the selection matches none of the SVIDs
};

// The result of verify().
struct Verdict {
  std::optional<Refusal> refusal;
  std::vector<Finding> findings;  // about the SVID, and about those that are not selected
};

// Which SVIDs other contexts of the same message verify, so that this one need not.
struct Others {
  bool examined = false;              // all but the selected one
  std::vector<std::size_t> selected;  // those that other contexts selected
};

// Another SVID of the same message that the selection matches, already verified.
struct FurtherSvid {
  std::size_t number;  // the selected one is 0; the number of one that is left out stays unused
  X509Svid svid;
  X509Bundle bundle;  // of its own trust domain
};

struct X509Context {
  X509Svid svid;                                // the selected one
  X509Bundle bundle;                            // of its trust domain, as it came with the SVID
  std::map<TrustDomain, X509Bundle> federated;  // never holds svid's own trust domain
  std::size_t svids_received = 1;
  std::size_t selected = 0;  // the index of the selected SVID in the message
  std::size_t matching = 1;  // how many SVIDs the selection matches
  std::vector<Finding> findings;
  std::vector<FurtherSvid> further;           // filled by add_further()
  std::optional<WallTime> further_from = {};  // start of the first SVID left out as not yet valid

  // Parses what is needed to write the files. Refuses a message with an empty mandatory field, without a
  // matching SVID, with more than 10,000 SVIDs, or whose selected SVID has more than 1 MiB of certificates or
  // 8 MiB of bundle. `previous` (may be null) supplies the content of a federated bundle that cannot be read.
  // `sibling` is another selection of the same message: its bundles are shared, and findings about the whole
  // message are only there.
  static std::expected<X509Context, Refusal> read(const X509Material& material,
                                                  const X509Selection& selection, const X509Context* previous,
                                                  const X509Context* sibling = nullptr);
  // For outputs that contain every SVID: verifies and adds the other SVIDs that the selection matches, at
  // most 99 and up to 1 MiB. An invalid one is left out with a finding and refuses nothing else. Returns
  // which SVIDs of the message were examined, for Others::selected.
  std::vector<std::size_t> add_further(const X509Material& material, const X509Selection& selection,
                                       WallTime now, bool verify_chain);
  // Verifies the selected SVID (certificates, key, chain), and the first 100 SVIDs that no context has
  // selected, up to 1 MiB: those give only findings. `material` is the message that this context was read
  // from. This takes most of the time of a message. `verify_chain` false ("verify = false") skips only the
  // chain.
  [[nodiscard]] Verdict verify(const X509Material& material, WallTime now, bool verify_chain,
                               const Others& others = {}) const;

  // read() and verify(). `material` is not changed: the caller may try it again at Refusal::valid_from.
  static std::expected<X509Context, Refusal> from(const X509Material& material,
                                                  const X509Selection& selection, const X509Context* previous,
                                                  WallTime now, bool verify_chain);

  // When the selected SVID expires.
  [[nodiscard]] WallTime not_after() const;
};

}  // namespace spiffe::identity
