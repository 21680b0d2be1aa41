// A problem that does not refuse an update.
#pragma once

#include <string>

namespace spiffe::identity {

// The caller logs each text once.
struct Finding {
  std::string subject;  // a SPIFFE ID or trust domain, escaped
  std::string message;
  bool federated_bundle = false;  // a federated bundle that could not be read: its previous content is kept
};

}  // namespace spiffe::identity
