// Everything that the agent serves at one time, not yet encoded. Faults change a Snapshot.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dev_agent/issuer.hh"

namespace spiffe::dev_agent {

struct Snapshot {
  std::vector<Svid> svids;
  std::string trust_domain_id;                     // "spiffe://example.org"
  std::string bundle;                              // of our own trust domain, concatenated DER
  std::map<std::string, std::string> federated;    // trust domain ID -> concatenated DER
  std::vector<std::string> crls;                   // DER
  std::map<std::string, std::string> jwt_bundles;  // trust domain ID -> JWKS
};

// The same as messages of the Workload API, serialised.
[[nodiscard]] std::string encode_x509_svids(const Snapshot& snapshot);
[[nodiscard]] std::string encode_x509_bundles(const Snapshot& snapshot);
[[nodiscard]] std::string encode_jwt_bundles(const Snapshot& snapshot);

}  // namespace spiffe::dev_agent
