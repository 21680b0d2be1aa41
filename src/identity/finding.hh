// Something that is wrong but did not stop an update.
#pragma once

#include <string>

namespace spiffe::identity {

// To be logged (once per text) by the caller.
struct Finding {
  std::string subject;  // a SPIFFE ID or trust domain, escaped
  std::string message;
  bool federated_bundle = false;  // a federated bundle kept at its previous content (rule 10)
};

}  // namespace spiffe::identity
