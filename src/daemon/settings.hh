// What the parts of the daemon are told, from the configuration. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/signals.hh"
#include "config/config.hh"
#include "health/server.hh"
#include "health/status.hh"
#include "output/publisher.hh"
#include "output/render.hh"
#include "process/hook.hh"
#include "process/pid_file.hh"
#include "process/supervision.hh"
#include "workload/jwt_source.hh"
#include "workload/x509_update.hh"

namespace spiffe::daemon {

// What is configured: X.509-SVIDs in files, JWT-SVIDs, the JWT bundle.
[[nodiscard]] bool wants_x509(const config::Config& config);
[[nodiscard]] bool wants_jwt(const config::Config& config);

// All names are as output::clean_name() gives them. Errors are of kind config: a name that is none.
struct Names {
  output::X509Outputs x509;  // empty names where X.509 is not configured
  std::vector<std::string>
      jwt;  // tokens in the order of the configuration, then the bundle where there is one
};
Result<Names> names_of(const config::Config& config);

[[nodiscard]] output::PublisherOptions publisher_options(const config::Config& config, const Names& names);
[[nodiscard]] workload::X509Rules x509_rules(const config::Config& config);
// An entry's own choice, or else the one of the whole configuration, as in Go.
[[nodiscard]] workload::JwtRequest jwt_request(const config::Config& config, const config::JwtSvid& entry);
// A socket alone means no port; naming a port or an address as well means both.
[[nodiscard]] health::Server::Options health_options(const config::HealthChecks& checks);
// The first of X.509, tokens and JWT bundle that is configured.
[[nodiscard]] health::Kind first_kind(const config::Config& config);
// Which changes count as a rotation: notify_on, or the first kind that is configured.
[[nodiscard]] std::set<health::Kind> notify_kinds(const config::Config& config);
// `found_signals`: what the process was started with. The caller adds what lives longer.
[[nodiscard]] process::Supervision::Options child_options(const config::Config& config,
                                                          const FoundSignals& found_signals);
// The same for a hook.
[[nodiscard]] process::Hook::Options hook_options(health::HookKind kind, const config::Config& config,
                                                  const FoundSignals& found_signals);
// The caller adds what is to be called.
[[nodiscard]] process::PidFile::Options pid_file_options(const config::Config& config);

}  // namespace spiffe::daemon
