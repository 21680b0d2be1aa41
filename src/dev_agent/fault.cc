#include "dev_agent/fault.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/text.hh"
#include "dev_agent/agent.hh"
#include "dev_agent/spoilers.hh"

namespace spiffe::dev_agent {

namespace {

using grpc::Status;
using grpc::StatusCode;
namespace s = spoilers;

Result<> deny(Agent& agent, long) {
  return agent.refuse("deny", Status(StatusCode::PERMISSION_DENIED, "no identity issued"));
}

Result<> unavailable(Agent& agent, long) {
  return agent.refuse("unavailable", Status(StatusCode::UNAVAILABLE, "agent is not ready"));
}

Result<> invalid(Agent& agent, long) {
  return agent.refuse("invalid",
                      Status(StatusCode::INVALID_ARGUMENT, "security header missing from request"));
}

Result<> unimplemented(Agent& agent, long) {
  return agent.refuse("unimplemented",
                      Status(StatusCode::UNIMPLEMENTED, "unknown service SpiffeWorkloadAPI"));
}

Result<> delay(Agent& agent, long milliseconds) {
  return agent.set_delay(std::chrono::milliseconds(milliseconds));
}

Result<> drop(Agent& agent, long) {
  return agent.drop_streams();
}

Result<> disconnect(Agent& agent, long) {
  return agent.disconnect();
}

Result<> close_mid_message(Agent& agent, long) {
  return agent.close_mid_message();
}

constexpr std::array kFaults = {
    // Faults of the agent, until `clear` (or `allow`, `available`, `delay 0`).
    Fault{"deny", "", 0, "PermissionDenied: streams end, calls are refused", {}, {}, {}, deny},
    Fault{"unavailable", "", 0, "the same with Unavailable", {}, {}, {}, unavailable},
    Fault{"invalid", "", 0, "the same with InvalidArgument", {}, {}, {}, invalid},
    Fault{"unimplemented", "", 0, "the same with Unimplemented", {}, {}, {}, unimplemented},
    Fault{"delay", "MS", -1, "every message leaves MS milliseconds late", {}, {}, {}, delay},
    // Events.
    Fault{"drop", "", 0, "all streams end with Unavailable", {}, {}, {}, drop},
    Fault{"disconnect", "", 0, "all connections are closed", {}, {}, {}, disconnect},
    Fault{"close-mid-message",
          "",
          0,
          "all connections are closed within a message",
          {},
          {},
          {},
          close_mid_message},
    // Faults of one X.509 message. The next rotation is valid again.
    Fault{"truncated-der", "", 0, "the last certificate is cut off", s::truncated_der},
    Fault{"trailing-der", "", 0, "bytes follow the certificates", s::trailing_der},
    Fault{"garbage-der", "", 0, "the certificates are not DER", s::garbage_der},
    Fault{"wrong-key", "", 0, "the key is another certificate's", s::wrong_key},
    Fault{"bad-key", "", 0, "the key is not PKCS#8", s::bad_key},
    Fault{"wrong-id", "", 0, "spiffe_id differs from the certificate's", s::wrong_id},
    Fault{"bad-id", "", 0, "spiffe_id is not a SPIFFE ID", s::bad_id},
    Fault{"expired", "", 0, "the certificate has expired", s::expired},
    Fault{"not-yet-valid", "SECONDS", 20, "the certificate is valid SECONDS (20) from now", s::not_yet_valid},
    Fault{"wrong-ca", "", 0, "the certificate is signed by an unknown authority", s::wrong_ca},
    Fault{"ca-leaf", "", 0, "the certificate is a CA (cA)", s::ca_leaf},
    Fault{"no-uri", "", 0, "the certificate has no URI SAN", s::no_uri},
    Fault{"two-uris", "", 0, "the certificate has two URI SANs", s::two_uris},
    Fault{"empty-id", "", 0, "spiffe_id is empty", s::empty_id},
    Fault{"empty-svid", "", 0, "x509_svid is empty", s::empty_svid},
    Fault{"empty-key", "", 0, "x509_svid_key is empty", s::empty_key},
    Fault{"empty-bundle", "", 0, "bundle is empty", s::empty_bundle},
    Fault{"bad-bundle", "", 0, "the bundle is not DER", s::bad_bundle},
    Fault{"unknown-hint", "", 0, "the hint is \"unknown\"", s::unknown_hint},
    Fault{"no-svids", "", 0, "the message contains no SVID", {}, s::no_svids},
    Fault{"bad-federated", "", 0, "the first federated bundle is not DER", {}, s::bad_federated},
    Fault{"oversized", "", 0, "the message is larger than 64 MiB", {}, s::oversized},
    // Faults of the JWT bundles.
    Fault{"no-jwt-bundles", "", 0, "the message contains no JWT bundle", {}, s::no_jwt_bundles},
    Fault{"bad-jwt-bundle", "", 0, "our own JWT bundle is not JSON", {}, s::bad_jwt_bundle},
    // Faults of every JWT-SVID, until `clear`.
    Fault{"jwt-expired", "", 0, "tokens have expired", {}, {}, s::jwt_expired},
    Fault{"jwt-bad-signature", "", 0, "the signature of tokens is wrong", {}, {}, s::jwt_bad_signature},
    Fault{"jwt-unknown-key", "", 0, "the kid of tokens is in no bundle", {}, {}, s::jwt_unknown_key},
    Fault{"jwt-wrong-audience", "", 0, "tokens are for another audience", {}, {}, s::jwt_wrong_audience},
    Fault{"jwt-wrong-id", "", 0, "sub differs from spiffe_id", {}, {}, s::jwt_wrong_id},
};

Result<long> parse_number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    return fail(ErrorKind::usage, quote(text) + " is not a number");
  }
  return value;
}

Result<const Fault*> find_fault(std::string_view name) {
  const auto found = std::ranges::find(kFaults, name, &Fault::name);
  if (found != kFaults.end()) return &*found;
  std::vector<std::string_view> names(kFaults.size());
  std::ranges::transform(kFaults, names.begin(), &Fault::name);
  const std::string_view near = nearest(name, names);
  return fail(ErrorKind::usage, "no fault is called " + quote(name),
              near.empty() ? "" : "did you mean " + quote(near) + "?");
}

}  // namespace

std::span<const Fault> faults() {
  return kFaults;
}

Result<FaultRequest> parse_fault(std::string_view text) {
  const std::size_t space = text.find(' ');
  std::string_view name = text.substr(0, space);
  FaultRequest request{};
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    const auto number = parse_number(name.substr(at + 1));
    if (!number) return fail(number.error());
    if (*number < 1) return fail(ErrorKind::usage, "SVIDs are counted from 1");
    request.only = static_cast<std::size_t>(*number - 1);
    name = name.substr(0, at);
  }
  const auto fault = find_fault(name);
  if (!fault) return fail(fault.error());
  request.fault = *fault;
  request.argument = request.fault->standard_argument;
  if (request.only && request.fault->spoil_svid == nullptr) {
    return fail(ErrorKind::usage, std::string(name) + " does not concern one SVID");
  }
  if (space != std::string_view::npos) {
    if (request.fault->argument.empty()) {
      return fail(ErrorKind::usage, std::string(name) + " takes no argument");
    }
    const auto number = parse_number(text.substr(space + 1));
    if (!number) return fail(number.error());
    request.argument = *number;
  }
  if (request.argument < 0) {
    return fail(ErrorKind::usage, std::string(name) + " needs " + std::string(request.fault->argument));
  }
  return request;
}

Result<> spoil(const FaultRequest& request, const Issuer& issuer, Snapshot& snapshot) {
  const Fault& fault = *request.fault;
  if (fault.spoil_message != nullptr) return fault.spoil_message(snapshot);
  if (fault.spoil_svid == nullptr) return {};
  if (request.only && *request.only >= snapshot.svids.size()) {
    return fail(ErrorKind::usage, "the message has no such SVID");
  }
  for (std::size_t i = 0; i < snapshot.svids.size(); ++i) {
    if (request.only && *request.only != i) continue;
    if (auto done = fault.spoil_svid(snapshot.svids[i], issuer, request.argument); !done) return done;
  }
  return {};
}

}  // namespace spiffe::dev_agent
