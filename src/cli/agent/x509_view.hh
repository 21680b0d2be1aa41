// The content of a message of FetchX509SVID for display, valid or not, without its keys. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "identity/certificate.hh"
#include "identity/x509_material.hh"

namespace spiffe::cli {

// All text from outside is escaped.
struct SvidView {
  std::string id;                            // spiffe_id as sent
  std::string trust_domain;                  // "" if the ID is not valid
  std::string hint;                          // "" if there is none
  std::vector<identity::Certificate> chain;  // leaf first; empty if it cannot be parsed
  std::string problem;                       // why it must not be used; "" if it is valid
  std::vector<std::string> warnings;
};

struct BundleView {
  std::vector<identity::Certificate> authorities;  // in the agent's order
  bool own = false;                                // of an SVID's trust domain, not a federated one
  std::string problem;                             // why it cannot be parsed; "" if it can
};

struct X509View {
  std::vector<SvidView> svids;                // in the agent's order
  std::map<std::string, BundleView> bundles;  // by the name of the trust domain
  std::size_t crls = 0;
};

// Everything that can be parsed, judged at `now` by the daemon's rules.
[[nodiscard]] X509View view_of(const identity::X509Material& material, WallTime now);

// The first problem, after the name that it concerns; "" if there is none.
[[nodiscard]] std::string first_problem(const X509View& view);

}  // namespace spiffe::cli
