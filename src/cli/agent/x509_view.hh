// What a message of FetchX509SVID says, for a person to look at: good or bad, and without its keys. Pure.
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
  std::string trust_domain;                  // "" where the ID is none
  std::string hint;                          // "" where there is none
  std::vector<identity::Certificate> chain;  // leaf first; empty where it cannot be read
  std::string problem;                       // why nobody should use it; "" where it is good
  std::vector<std::string> warnings;
};

struct BundleView {
  std::vector<identity::Certificate> authorities;  // in the agent's order
  bool own = false;                                // of an SVID's trust domain, not a federated one
  std::string problem;                             // why it cannot be read; "" where it can
};

struct X509View {
  std::vector<SvidView> svids;                // in the agent's order
  std::map<std::string, BundleView> bundles;  // by the name of the trust domain
  std::size_t crls = 0;
};

// Everything that can be read, judged at `now` by the rules that the daemon goes by.
[[nodiscard]] X509View view_of(const identity::X509Material& material, WallTime now);

// The first problem of all, with the name it concerns in front; "" where all is good.
[[nodiscard]] std::string first_problem(const X509View& view);

}  // namespace spiffe::cli
