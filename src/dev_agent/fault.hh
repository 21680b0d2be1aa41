// The table of all faults. The flag -fault, the commands of the control socket and the help text come from
// it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "dev_agent/jwt_authority.hh"
#include "dev_agent/snapshot.hh"

namespace spiffe::dev_agent {

class Agent;

// Exactly one of the four functions is set.
struct Fault {
  std::string_view name;
  std::string_view argument;  // for the help: "SECONDS"; "" if it takes none
  long standard_argument;     // if none is given; -1: one must be given
  std::string_view what;
  // One message is spoiled and stays the current state until the next rotation. The first is applied to
  // each SVID of the message, or to one of them.
  Result<> (*spoil_svid)(Svid& svid, const Issuer& issuer, long argument) = nullptr;
  Result<> (*spoil_message)(Snapshot& snapshot) = nullptr;
  // Every JWT-SVID is spoiled until `clear`.
  void (*spoil_jwt)(JwtDraft& draft) = nullptr;
  // The agent's behaviour changes until `clear`, or something happens once.
  Result<> (*behave)(Agent& agent, long argument) = nullptr;
};

[[nodiscard]] std::span<const Fault> faults();

// A requested fault: "NAME", "NAME ARGUMENT", or "NAME@2" (only the second SVID of the message).
struct FaultRequest {
  const Fault* fault;
  long argument = 0;
  std::optional<std::size_t> only;  // counted from 0
};
[[nodiscard]] Result<FaultRequest> parse_fault(std::string_view text);

// Applies the fault to `snapshot`. Does nothing if the fault does not concern X.509 messages.
Result<> spoil(const FaultRequest& request, const Issuer& issuer, Snapshot& snapshot);

}  // namespace spiffe::dev_agent
