// Derives the settings of the daemon's parts from the configuration. Pure.
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

// What is configured: files of X.509-SVIDs; JWT-SVIDs, the JWT bundle or a JWKS.
[[nodiscard]] bool wants_x509(const config::Config& config);
[[nodiscard]] bool wants_jwt(const config::Config& config);

// Any X.509-SVID: those of the flat configuration, and the entries of x509_svids.
[[nodiscard]] bool wants_any_x509(const config::Config& config);

// All files to be written. Errors are of kind config: a name that is not valid.
struct Plan {
  output::FilePlan x509;
  // Tokens in the order of the configuration, then the JWT bundle and the JWKS, if configured.
  std::vector<output::PlannedFile> jwt;

  // Whether the file of this name, one of `jwt`, contains a token.
  [[nodiscard]] bool is_token(std::string_view name) const;
};
Result<Plan> plan_of(const config::Config& config);

[[nodiscard]] output::PublisherOptions publisher_options(const config::Config& config, const Plan& plan);
// The level of lines that operators expect at info level from the daemon, but not from one-shot mode.
[[nodiscard]] log::Level progress_level(const config::Config& config);
[[nodiscard]] workload::X509Rules x509_rules(const config::Config& config);
// Settings of a further X.509 identity.
struct IdentitySettings {
  std::string name;  // its directory, as configured
  config::Config config;
  workload::X509Rules rules;

  [[nodiscard]] bool operator==(const IdentitySettings&) const = default;
};
[[nodiscard]] std::vector<IdentitySettings> further_identities(const config::Config& config);
// The rules for the agent's messages: those of the flat configuration, if it has any, then those of the
// entries.
[[nodiscard]] std::vector<workload::X509Rules> all_x509_rules(const config::Config& config);
// The entry's own choice or, without one, that of the whole configuration, as in Go.
[[nodiscard]] workload::JwtRequest jwt_request(const config::Config& config, const config::JwtSvid& entry);
// The trust domain of jwks_file_name if neither an X.509-SVID nor a token defines it: that of spiffe_id, or
// the only one that the agent has keys of. Null if several are possible. Owned by the arguments.
[[nodiscard]] const identity::TrustDomain* lone_trust_domain(const config::Config& config,
                                                             const identity::JwtBundles& bundles);
// A socket alone means no port; a port or an address configured as well means both.
[[nodiscard]] health::Server::Options health_options(const config::HealthChecks& checks);
// Which changes count as a rotation: notify_on, or the first kind that is configured.
[[nodiscard]] std::set<identity::Kind> notify_kinds(const config::Config& config);
// `found_signals`: those that the process was started with. The caller adds objects that live longer.
[[nodiscard]] process::Supervisor::Options child_options(const config::Config& config,
                                                         const FoundSignals& found_signals);
// Whether reload.cmd runs before the consumers are notified. prepare_cmd is then not set.
[[nodiscard]] bool runs_reload_command(const config::Config& config);
// The key that configures the hook, and its command; empty if there is none.
[[nodiscard]] std::string_view hook_name(health::HookKind kind, const config::Config& config);
[[nodiscard]] std::vector<std::string> hook_command(health::HookKind kind, const config::Config& config);
// The same for a hook.
[[nodiscard]] process::Hook::Options hook_options(health::HookKind kind, const config::Config& config,
                                                  const FoundSignals& found_signals);
// The caller adds the callbacks.
[[nodiscard]] process::PidFile::Options pid_file_options(const config::Config& config);

}  // namespace spiffe::daemon
