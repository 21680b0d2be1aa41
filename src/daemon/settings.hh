// What the parts of the daemon are told, from the configuration. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/signals.hh"
#include "config/config.hh"
#include "health/server.hh"
#include "health/status.hh"
#include "identity/jwt_bundles.hh"
#include "output/file_plan.hh"
#include "output/publisher.hh"
#include "process/hook.hh"
#include "process/pid_file.hh"
#include "process/supervisor.hh"
#include "workload/jwt_source.hh"
#include "workload/x509_update.hh"

namespace spiffe::daemon {

// What is configured: X.509-SVIDs in files; JWT-SVIDs, the JWT bundle, a JWKS.
[[nodiscard]] bool wants_x509(const config::Config& config);
[[nodiscard]] bool wants_jwt(const config::Config& config);

// All X.509-SVIDs that are wanted: those, and the entries of x509_svids.
[[nodiscard]] bool wants_any_x509(const config::Config& config);

// All that is to be on disk. Errors are of kind config: a name that is none.
struct Plan {
  output::FilePlan x509;
  // Tokens in the order of the configuration, then JWT bundle and JWKS as far as they are configured.
  std::vector<output::PlannedFile> jwt;

  // Whether the file of this name, one of `jwt`, is a token's.
  [[nodiscard]] bool is_token(std::string_view name) const;
};
Result<Plan> plan_of(const config::Config& config);

[[nodiscard]] output::PublisherOptions publisher_options(const config::Config& config, const Plan& plan);
// The level of what people expect at info level from the daemon, and one-shot keeps to itself.
[[nodiscard]] log::Level progress_level(const config::Config& config);
[[nodiscard]] workload::X509Rules x509_rules(const config::Config& config);
// Of a further X.509 identity.
struct IdentitySettings {
  std::string name;  // its directory, as configured
  config::Config config;
  workload::X509Rules rules;

  [[nodiscard]] bool operator==(const IdentitySettings&) const = default;
};
[[nodiscard]] std::vector<IdentitySettings> further_identities(const config::Config& config);
// What the agent is asked for: the rules of the flat identity, where there is one, then of the others.
[[nodiscard]] std::vector<workload::X509Rules> all_x509_rules(const config::Config& config);
// An entry's own choice, or else the one of the whole configuration, as in Go.
[[nodiscard]] workload::JwtRequest jwt_request(const config::Config& config, const config::JwtSvid& entry);
// The trust domain of jwks_file_name where neither an X.509-SVID nor a token tells it: that of spiffe_id, or
// the only one that the agent has keys of. Null where several could be meant. Owned by the arguments.
[[nodiscard]] const identity::TrustDomain* lone_trust_domain(const config::Config& config,
                                                             const identity::JwtBundles& bundles);
// A socket alone means no port; naming a port or an address as well means both.
[[nodiscard]] health::Server::Options health_options(const config::HealthChecks& checks);
// The first of X.509, tokens and JWT bundle that is configured.
[[nodiscard]] identity::Kind first_kind(const config::Config& config);
// Which changes count as a rotation: notify_on, or the first kind that is configured.
[[nodiscard]] std::set<identity::Kind> notify_kinds(const config::Config& config);
// `found_signals`: what the process was started with. The caller adds what lives longer.
[[nodiscard]] process::Supervisor::Options child_options(const config::Config& config,
                                                         const FoundSignals& found_signals);
// Whether reload.cmd is what runs before everybody is notified. prepare_cmd is not set then.
[[nodiscard]] bool runs_reload_command(const config::Config& config);
// The key that configures the hook, and its command; empty if there is none.
[[nodiscard]] std::string_view hook_name(health::HookKind kind, const config::Config& config);
[[nodiscard]] std::vector<std::string> hook_command(health::HookKind kind, const config::Config& config);
// The same for a hook.
[[nodiscard]] process::Hook::Options hook_options(health::HookKind kind, const config::Config& config,
                                                  const FoundSignals& found_signals);
// The caller adds what is to be called.
[[nodiscard]] process::PidFile::Options pid_file_options(const config::Config& config);

}  // namespace spiffe::daemon
