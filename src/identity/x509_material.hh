// One message of FetchX509SVID, copied out of protobuf: plain data, nothing parsed, nothing checked.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/secret.hh"

namespace spiffe::identity {

using Bytes = std::vector<std::byte>;

struct X509SvidMaterial {
  std::string spiffe_id;
  Bytes certificates;  // concatenated DER, leaf first
  SecretBytes key;     // PKCS#8 DER
  Bytes bundle;        // concatenated DER, authorities of the SVID's own trust domain
  std::string hint;
};

// Always the full state of the workload: an item that is absent does not exist any more.
struct X509Material {
  std::vector<X509SvidMaterial> svids;
  std::vector<Bytes> crls;
  std::map<std::string, Bytes> federated_bundles;  // trust domain as sent -> concatenated DER
};

}  // namespace spiffe::identity
