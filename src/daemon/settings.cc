#include "daemon/settings.hh"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "config/identities.hh"
#include "config/lifecycle.hh"
#include "config/outputs.hh"
#include "config/path_join.hh"
#include "config/validate.hh"
#include "output/formats.hh"
#include "output/name.hh"
#include "process/environment.hh"

namespace spiffe::daemon {

using identity::Kind;

namespace {

std::string absolute_path(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::absolute(path, ignored).lexically_normal().string();
}

}  // namespace

bool wants_x509(const config::Config& config) {
  return !config.x509.names.empty();
}

bool wants_any_x509(const config::Config& config) {
  return config::writes(config, Kind::x509);
}

bool wants_jwt(const config::Config& config) {
  return config::writes(config, Kind::jwt) || config::writes(config, Kind::bundle);
}

Result<Plan> plan_of(const config::Config& config) {
  const output::Attributes attributes = {
      .cert_file_mode = config.cert_file_mode,
      .key_file_mode = config.key_file_mode,
      .owner = {config.ownership.owner, config.ownership.group},
      .key_owner = {config.ownership.key_owner, config.ownership.key_group},
  };
  auto x509 = output::FilePlan::make(config.cert_dir, config.x509.names, config.x509.options, attributes);
  if (!x509) return fail(x509.error());
  Plan plan{.x509 = *std::move(x509), .jwt = {}};
  const auto add = [&](const std::string& name, mode_t mode, output::Contents contents) -> Result<void> {
    auto clean = output::clean_name(config.cert_dir, name);
    if (!clean) return fail(clean.error());
    plan.jwt.push_back(
        {.name = *std::move(clean), .mode = mode, .owner = attributes.owner, .contents = contents});
    return {};
  };
  for (const auto& svid : config.jwt_svids) {
    if (auto good = add(svid.jwt_svid_file_name, config.jwt_svid_file_mode, output::Contents::token); !good)
      return fail(good.error());
  }
  for (const std::string& name : {config.jwt_bundle_file_name, config.jwks_file_name}) {
    if (name.empty()) continue;
    if (auto good = add(name, config.jwt_bundle_file_mode, output::Contents::trust); !good)
      return fail(good.error());
  }
  return plan;
}

bool Plan::is_token(std::string_view name) const {
  // At most two other files exist, and they are last.
  for (auto file = jwt.rbegin(); file != jwt.rend() && file->contents != output::Contents::token; ++file) {
    if (file->name == name) return false;
  }
  return true;
}

output::PublisherOptions publisher_options(const config::Config& config, const Plan& plan) {
  output::PublisherOptions options{.cert_dir = config.cert_dir,
                                   .layout = config.layout,
                                   .names = {},
                                   .create_cert_dir = config.create_cert_dir,
                                   .require_secure_dir = config.require_secure_dir,
                                   .one_shot = !config.daemon_mode};
  for (const auto& group : {config.ownership.group, config.ownership.key_group}) {
    if (group) options.trusted_groups.push_back(*group);
  }
  for (const auto* files : {&plan.jwt, &plan.x509.files}) {
    for (const output::PlannedFile& file : *files) {
      options.names.push_back(file.name);
      if (file.format != nullptr && !file.format->members.empty())
        options.members.emplace(file.name, file.format->members);
    }
  }
  return options;
}

log::Level progress_level(const config::Config& config) {
  return config.daemon_mode ? log::Level::info : log::Level::debug;
}

workload::X509Rules x509_rules(const config::Config& config) {
  return {.selection = {.hint = config.hint,
                        .spiffe_id = config.spiffe_id ? config.spiffe_id->str() : std::string()},
          .verify_chain = config.verify,
          .every_svid = output::any_has(config.x509.names, &output::Format::every_svid)};
}

std::vector<IdentitySettings> further_identities(const config::Config& config) {
  std::vector<IdentitySettings> out;
  out.reserve(config.x509_svids.size());
  for (const config::X509Svid& entry : config.x509_svids) {
    config::Config own = config::config_of(config, entry);
    workload::X509Rules rules = x509_rules(own);
    rules.selection = {.hint = entry.hint, .spiffe_id = entry.spiffe_id};
    out.push_back(
        {.name = config::clean_path(entry.dir), .config = std::move(own), .rules = std::move(rules)});
  }
  return out;
}

std::vector<workload::X509Rules> all_x509_rules(const config::Config& config) {
  std::vector<workload::X509Rules> out;
  if (wants_x509(config)) out.push_back(x509_rules(config));
  for (IdentitySettings& each : further_identities(config)) out.push_back(std::move(each.rules));
  return out;
}

workload::JwtRequest jwt_request(const config::Config& config, const config::JwtSvid& entry) {
  workload::JwtRequest request;
  request.audiences.push_back(entry.jwt_audience);
  request.audiences.insert(request.audiences.end(), entry.jwt_extra_audiences.begin(),
                           entry.jwt_extra_audiences.end());
  const bool own_choice = entry.spiffe_id || !entry.hint.empty();
  const auto& spiffe_id = own_choice ? entry.spiffe_id : config.spiffe_id;
  request.hint = own_choice ? entry.hint : config.hint;
  if (spiffe_id) request.spiffe_id = spiffe_id->str();
  return request;
}

const identity::TrustDomain* lone_trust_domain(const config::Config& config,
                                               const identity::JwtBundles& bundles) {
  if (config.spiffe_id) return &config.spiffe_id->trust_domain();
  return bundles.bundles.size() == 1 ? &bundles.bundles.begin()->first : nullptr;
}

health::Server::Options health_options(const config::HealthChecks& checks) {
  const config::HealthChecks standard;
  health::Server::Options options{.tcp = health::Server::Tcp{checks.bind_address, checks.bind_port},
                                  .unix_socket = checks.unix_socket,
                                  .liveness_path = checks.liveness_path,
                                  .readiness_path = checks.readiness_path,
                                  .metrics_path = checks.metrics_path};
  const bool names_a_port = !checks.bind_address.empty() || checks.bind_port != standard.bind_port;
  if (!checks.unix_socket.empty() && !names_a_port) options.tcp.reset();
  return options;
}

std::set<Kind> notify_kinds(const config::Config& config) {
  const std::vector<Kind> kinds = config::with_implied_defaults(config).notify_on;
  return {kinds.begin(), kinds.end()};
}

namespace {

// Variables that a child gets in addition to our environment.
std::vector<std::pair<std::string, std::string>> additions(const config::Config& config) {
  std::vector<std::pair<std::string, std::string>> out = {
      {"SPIFFE_ENDPOINT_SOCKET", config.agent_address.uri()}};
  const auto folder = config.x509.names.find("credential_folder");
  if (folder != config.x509.names.end()) {
    out.emplace_back("SPIFFE_CREDENTIAL_FOLDER",
                     absolute_path(config::join_path(config.cert_dir, folder->second)));
  }
  return out;
}

}  // namespace

process::Supervisor::Options child_options(const config::Config& config, const FoundSignals& found_signals) {
  std::vector<std::string> argv = {config.cmd};
  argv.insert(argv.end(), config.cmd_args.begin(), config.cmd_args.end());
  const bool wrap = config.cmd_mode == config::CmdMode::wrap;
  return {.launch = {.argv = std::move(argv),
                     .env = process::child_environment(environ, additions(config)),
                     .signals = found_signals,
                     .die_with_parent = config.stop_cmd_on_exit,
                     .own_group = wrap},
          .policy = {.wrap = wrap,
                     .on_rotate = config.on_rotate.value_or(
                         config.renew_signal != 0 ? process::OnRotate::signal : process::OnRotate::none),
                     .withhold = config.renew_signal_guard.value_or(wrap),
                     .leave_at_end = !config.stop_cmd_on_exit,
                     .restart = config.restart,
                     .stop_timeout = config.stop_timeout,
                     .start_timeout = config.start_timeout},
          .renew_signal = config.renew_signal,
          .stop_signal = config.stop_signal};
}

bool runs_reload_command(const config::Config& config) {
  return config.daemon_mode && !config.reload.cmd.empty();
}

std::string_view hook_name(health::HookKind kind, const config::Config& config) {
  if (kind == health::HookKind::renew) return "renew_cmd";
  return runs_reload_command(config) ? "reload.cmd" : "prepare_cmd";
}

std::vector<std::string> hook_command(health::HookKind kind, const config::Config& config) {
  if (kind == health::HookKind::renew) {
    return config.daemon_mode || config.renew_cmd_once ? config.renew_cmd : std::vector<std::string>();
  }
  return runs_reload_command(config) ? config::reload_command(config) : config.prepare_cmd;
}

process::Hook::Options hook_options(health::HookKind kind, const config::Config& config,
                                    const FoundSignals& found_signals) {
  const bool prepare = kind == health::HookKind::prepare;
  const bool reload = prepare && runs_reload_command(config);
  return {.name = std::string(hook_name(kind, config)),
          .launch = {.argv = hook_command(kind, config),
                     .env = process::child_environment(environ, additions(config)),
                     .signals = found_signals},
          .cert_dir = absolute_path(config.cert_dir.empty() ? "." : config.cert_dir),
          .timeout = prepare ? config.prepare_cmd_timeout : config.renew_cmd_timeout,
          // Our processes end at most one second after stop_timeout.
          .term_grace = std::min<std::chrono::nanoseconds>(config.stop_timeout, std::chrono::seconds(2)),
          .once = !config.daemon_mode,
          .retry = !reload,
          .failure_text = reload ? "Unable to run reload command" : "",
          .timeout_key = prepare ? "prepare_cmd_timeout" : "renew_cmd_timeout"};
}

process::PidFile::Options pid_file_options(const config::Config& config) {
  return {.path = config.pid_file_name, .signal = config.renew_signal, .check = config.pid_file_check};
}

}  // namespace spiffe::daemon
