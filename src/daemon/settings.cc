#include "daemon/settings.hh"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "output/name.hh"
#include "process/environment.hh"

namespace spiffe::daemon {

namespace {

output::Layout layout_of(config::Layout layout) {
  switch (layout) {
    case config::Layout::files:
      return output::Layout::files;
    case config::Layout::in_place:
      return output::Layout::in_place;
    case config::Layout::snapshot:
      break;
  }
  return output::Layout::snapshot;
}

process::OnRotate on_rotate_of(const config::Config& config) {
  switch (config.on_rotate.value_or(config.renew_signal != 0 ? config::OnRotate::signal
                                                             : config::OnRotate::none)) {
    case config::OnRotate::signal:
      return process::OnRotate::signal;
    case config::OnRotate::restart:
      return process::OnRotate::restart;
    case config::OnRotate::none:
      break;
  }
  return process::OnRotate::none;
}

process::Restart restart_of(config::Restart restart) {
  switch (restart) {
    case config::Restart::on_failure:
      return process::Restart::on_failure;
    case config::Restart::always:
      return process::Restart::always;
    case config::Restart::never:
      break;
  }
  return process::Restart::never;
}

health::Kind kind_of(config::Change change) {
  switch (change) {
    case config::Change::jwt:
      return health::Kind::jwt;
    case config::Change::bundle:
      return health::Kind::bundle;
    case config::Change::x509:
      break;
  }
  return health::Kind::x509;
}

}  // namespace

bool wants_x509(const config::Config& config) {
  return !config.x509.svid_file_name.empty();
}

bool wants_jwt(const config::Config& config) {
  return !config.jwt_svids.empty() || !config.jwt_bundle_file_name.empty();
}

Result<Names> names_of(const config::Config& config) {
  Names names;
  names.x509 = {
      .svid_file_name = config.x509.svid_file_name,
      .svid_key_file_name = config.x509.svid_key_file_name,
      .svid_bundle_file_name = config.x509.svid_bundle_file_name,
      .add_intermediates_to_bundle = config.add_intermediates_to_bundle,
      .include_federated_domains = config.include_federated_domains,
      .omit_expired = config.omit_expired,
      .cert_file_mode = config.cert_file_mode,
      .key_file_mode = config.key_file_mode,
      .owner = {config.ownership.owner, config.ownership.group},
      .key_owner = {config.ownership.key_owner, config.ownership.key_group},
  };
  for (const auto& svid : config.jwt_svids) names.jwt.push_back(svid.jwt_svid_file_name);
  if (!config.jwt_bundle_file_name.empty()) names.jwt.push_back(config.jwt_bundle_file_name);

  std::vector<std::string*> all;
  all.reserve(names.jwt.size() + 3);
  for (std::string& name : names.jwt) all.push_back(&name);
  if (wants_x509(config)) {
    all.insert(all.end(), {&names.x509.svid_file_name, &names.x509.svid_key_file_name,
                           &names.x509.svid_bundle_file_name});
  }
  for (std::string* name : all) {
    auto clean = output::clean_name(config.cert_dir, *name);
    if (!clean) return fail(clean.error());
    *name = *std::move(clean);
  }
  return names;
}

output::PublisherOptions publisher_options(const config::Config& config, const Names& names) {
  output::PublisherOptions options{.cert_dir = config.cert_dir,
                                   .layout = layout_of(config.layout),
                                   .names = names.jwt,
                                   .create_cert_dir = config.create_cert_dir,
                                   .require_secure_dir = config.require_secure_dir,
                                   .one_shot = !config.daemon_mode};
  for (const auto& group : {config.ownership.group, config.ownership.key_group}) {
    if (group) options.trusted_groups.push_back(*group);
  }
  if (wants_x509(config)) {
    options.names.insert(options.names.end(), {names.x509.svid_file_name, names.x509.svid_key_file_name,
                                               names.x509.svid_bundle_file_name});
  }
  return options;
}

workload::X509Rules x509_rules(const config::Config& config) {
  return {.selection = {.hint = config.hint,
                        .spiffe_id = config.spiffe_id ? config.spiffe_id->str() : std::string()},
          .verify_chain = config.verify};
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

health::Kind first_kind(const config::Config& config) {
  if (wants_x509(config)) return health::Kind::x509;
  return config.jwt_svids.empty() ? health::Kind::bundle : health::Kind::jwt;
}

std::set<health::Kind> notify_kinds(const config::Config& config) {
  std::set<health::Kind> kinds;
  for (const config::Change change : config.notify_on) kinds.insert(kind_of(change));
  if (kinds.empty()) kinds.insert(first_kind(config));
  return kinds;
}

process::Supervision::Options child_options(const config::Config& config, const FoundSignals& found_signals) {
  std::vector<std::string> argv = {config.cmd};
  argv.insert(argv.end(), config.cmd_args.begin(), config.cmd_args.end());
  const bool wrap = config.cmd_mode == config::CmdMode::wrap;
  return {.launch = {.argv = std::move(argv),
                     .env = process::child_environment(
                         environ, {{"SPIFFE_ENDPOINT_SOCKET", config.agent_address.uri()}}),
                     .signals = found_signals,
                     .die_with_parent = config.stop_cmd_on_exit,
                     .own_group = wrap},
          .policy = {.wrap = wrap,
                     .on_rotate = on_rotate_of(config),
                     .withhold = config.renew_signal_guard.value_or(wrap),
                     .leave_at_end = !config.stop_cmd_on_exit,
                     .restart = restart_of(config.restart),
                     .stop_timeout = config.stop_timeout,
                     .start_timeout = config.start_timeout},
          .renew_signal = config.renew_signal,
          .stop_signal = config.stop_signal};
}

process::Hook::Options hook_options(health::HookKind kind, const config::Config& config,
                                    const FoundSignals& found_signals) {
  const bool prepare = kind == health::HookKind::prepare;
  std::error_code ignored;
  const std::filesystem::path cert_dir = config.cert_dir.empty() ? "." : config.cert_dir;
  return {.name = prepare ? "prepare_cmd" : "renew_cmd",
          .launch = {.argv = prepare ? config.prepare_cmd : config.renew_cmd,
                     .env = process::child_environment(
                         environ, {{"SPIFFE_ENDPOINT_SOCKET", config.agent_address.uri()}}),
                     .signals = found_signals},
          .cert_dir = std::filesystem::absolute(cert_dir, ignored).lexically_normal().string(),
          .timeout = prepare ? config.prepare_cmd_timeout : config.renew_cmd_timeout,
          // Nothing of ours outlasts stop_timeout by more than a second.
          .term_grace = std::min<std::chrono::nanoseconds>(config.stop_timeout, std::chrono::seconds(2)),
          .once = !config.daemon_mode};
}

process::PidFile::Options pid_file_options(const config::Config& config) {
  return {.path = config.pid_file_name, .signal = config.renew_signal, .check = config.pid_file_check};
}

}  // namespace spiffe::daemon
