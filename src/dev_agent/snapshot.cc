#include "dev_agent/snapshot.hh"

#include "workload.pb.h"

namespace spiffe::dev_agent {

std::string encode_x509_svids(const Snapshot& snapshot) {
  X509SVIDResponse message;
  for (const Svid& svid : snapshot.svids) {
    X509SVID* out = message.add_svids();
    out->set_spiffe_id(svid.spiffe_id);
    out->set_x509_svid(svid.certificates);
    out->set_x509_svid_key(svid.key);
    out->set_bundle(svid.bundle);
    out->set_hint(svid.hint);
  }
  for (const std::string& crl : snapshot.crls) message.add_crl(crl);
  message.mutable_federated_bundles()->insert(snapshot.federated.begin(), snapshot.federated.end());
  return message.SerializeAsString();
}

std::string encode_x509_bundles(const Snapshot& snapshot) {
  X509BundlesResponse message;
  for (const std::string& crl : snapshot.crls) message.add_crl(crl);
  message.mutable_bundles()->insert(snapshot.federated.begin(), snapshot.federated.end());
  (*message.mutable_bundles())[snapshot.trust_domain_id] = snapshot.bundle;
  return message.SerializeAsString();
}

std::string encode_jwt_bundles(const Snapshot& snapshot) {
  JWTBundlesResponse message;
  message.mutable_bundles()->insert(snapshot.jwt_bundles.begin(), snapshot.jwt_bundles.end());
  return message.SerializeAsString();
}

}  // namespace spiffe::dev_agent
