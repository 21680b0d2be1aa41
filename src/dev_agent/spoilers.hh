// The changes that faults make to messages. Each changes one thing.
#pragma once

#include "base/result.hh"
#include "dev_agent/issuer.hh"
#include "dev_agent/jwt_authority.hh"
#include "dev_agent/snapshot.hh"

namespace spiffe::dev_agent::spoilers {

Result<> truncated_der(Svid& svid, const Issuer& issuer, long argument);
Result<> trailing_der(Svid& svid, const Issuer& issuer, long argument);
Result<> garbage_der(Svid& svid, const Issuer& issuer, long argument);
Result<> wrong_key(Svid& svid, const Issuer& issuer, long argument);
Result<> bad_key(Svid& svid, const Issuer& issuer, long argument);
Result<> wrong_id(Svid& svid, const Issuer& issuer, long argument);
Result<> bad_id(Svid& svid, const Issuer& issuer, long argument);
Result<> expired(Svid& svid, const Issuer& issuer, long argument);
Result<> not_yet_valid(Svid& svid, const Issuer& issuer, long seconds);
Result<> wrong_ca(Svid& svid, const Issuer& issuer, long argument);
Result<> ca_leaf(Svid& svid, const Issuer& issuer, long argument);
Result<> no_uri(Svid& svid, const Issuer& issuer, long argument);
Result<> two_uris(Svid& svid, const Issuer& issuer, long argument);
Result<> empty_id(Svid& svid, const Issuer& issuer, long argument);
Result<> empty_svid(Svid& svid, const Issuer& issuer, long argument);
Result<> empty_key(Svid& svid, const Issuer& issuer, long argument);
Result<> empty_bundle(Svid& svid, const Issuer& issuer, long argument);
Result<> bad_bundle(Svid& svid, const Issuer& issuer, long argument);
Result<> unknown_hint(Svid& svid, const Issuer& issuer, long argument);

Result<> no_svids(Snapshot& snapshot);
Result<> bad_federated(Snapshot& snapshot);
Result<> oversized(Snapshot& snapshot);
Result<> no_jwt_bundles(Snapshot& snapshot);
Result<> bad_jwt_bundle(Snapshot& snapshot);

void jwt_expired(JwtDraft& draft);
void jwt_bad_signature(JwtDraft& draft);
void jwt_unknown_key(JwtDraft& draft);
void jwt_wrong_audience(JwtDraft& draft);
void jwt_wrong_id(JwtDraft& draft);

// Adds `bytes` bytes of valid certificates as a federated bundle.
void pad(Snapshot& snapshot, std::size_t bytes);

}  // namespace spiffe::dev_agent::spoilers
