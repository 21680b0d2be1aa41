// What the probes are told. Pure.
#pragma once

#include <string>

#include "base/clock.hh"
#include "health/status.hh"

namespace spiffe::health {

struct Answer {
  int code = 200;    // or 503
  std::string body;  // JSON
};

// 503 where the last write of any output failed.
//
// The body has the fields of spiffe-helper since 0.10 and, where the answer is 200, no others, byte for byte.
// Where x509_svids is configured, file_write_statuses has an object more: "x509_svids", state by directory.
// With 503 there may follow "not_offered" (the directories of those that the agent offers no SVID for),
// "identity_denied" (true), "expired" (an object of output and RFC 3339 time) and,
// for readiness alone, "program" (a list of sentences).
[[nodiscard]] Answer liveness(const Status& status, WallTime now);

// 200 where everything configured is written, all of it offered, none of it has expired and, with
// ready_includes_program, the child runs, the last signals were sent, and the last runs of the hooks
// succeeded.
[[nodiscard]] Answer readiness(const Status& status, WallTime now);

}  // namespace spiffe::health
