// One verified state of a workload's X.509 identity: what a message of FetchX509SVID means. Pure.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "identity/x509_bundle.hh"
#include "identity/x509_material.hh"
#include "identity/x509_svid.hh"

namespace spiffe::identity {

// Which SVID of a message is ours: the one with this hint, or this SPIFFE ID, or (neither set) the first.
struct X509Selection {
  std::string hint;
  std::string spiffe_id;
};

// Something that is wrong but did not stop the update; to be logged (once per text) by the caller.
struct Finding {
  std::string subject;  // a SPIFFE ID or trust domain, escaped
  std::string message;
  bool federated_bundle = false;  // a federated bundle kept at its previous content (rule 10)
};

// A refused message. The caller keeps the previous state and stays on the stream (rule 10).
struct Refusal {
  Error error;                         // kind verification
  std::string spiffe_id;               // of the SVID concerned, "" where unknown
  std::optional<WallTime> valid_from;  // set where the same message will do once this time has come (rule 22)
};

struct X509Context {
  X509Svid svid;                                // the selected one
  X509Bundle bundle;                            // of its own trust domain (rule 14)
  std::map<TrustDomain, X509Bundle> federated;  // never holds svid's own trust domain
  std::size_t svids_received = 1;
  std::vector<Finding> findings;

  // Rules 10 to 15 and 18 to 23. `material` stays whole: callers may come back with it at
  // Refusal::valid_from. `previous` supplies the content of a federated bundle that cannot be read; it may be
  // null. With `verify_chain` false rule 22 is skipped ("verify = false"), all others hold.
  static std::expected<X509Context, Refusal> from(const X509Material& material,
                                                  const X509Selection& selection, const X509Context* previous,
                                                  WallTime now, bool verify_chain);

  // The earliest NotAfter of leaf and intermediates.
  [[nodiscard]] WallTime not_after() const;
};

}  // namespace spiffe::identity
