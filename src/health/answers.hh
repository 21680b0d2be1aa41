// The answers to the probes. Pure.
#pragma once

#include <string>

#include "base/clock.hh"
#include "health/status.hh"

namespace spiffe::health {

struct Answer {
  int code = 200;    // or 503
  std::string body;  // JSON
};

// 503 if the last write of any output failed.
//
// The body has the fields of spiffe-helper since 0.10 and, if the code is 200, no others, byte for byte. If
// x509_svids is configured, file_write_statuses has one more object: "x509_svids", state by directory. With
// 503, these may follow: "not_offered" (the directories of identities that the agent offers no SVID for),
// "identity_denied" (true), "expired" (an object of output and RFC 3339 time) and, for readiness only,
// "program" (a list of sentences).
[[nodiscard]] Answer liveness(const Status& status, WallTime now);

// 200 if all configured outputs are written, offered and not expired. With ready_includes_program, also the
// child must run, and the last signals and the last runs of the hooks must have succeeded.
[[nodiscard]] Answer readiness(const Status& status, WallTime now);

}  // namespace spiffe::health
