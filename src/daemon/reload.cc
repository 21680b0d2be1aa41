// Applies a new configuration to the running daemon. Parts that it does not change keep running.
#include <utility>

#include "base/log.hh"
#include "daemon/daemon.hh"

namespace spiffe::daemon {

using identity::Kind;

namespace {

// Keys that cannot change at run time keep their value, with a warning.
void keep_what_is_fixed(const config::Config& before, config::Config& next) {
  const auto keep = [&](const char* key, auto config::Config::* member) {
    if (next.*member == before.*member) return;
    next.*member = before.*member;
    log::warning(std::string(key) + " takes effect at the next start", {{"event", "config_reload_partial"}});
  };
  if (next.cmd_mode != before.cmd_mode) {
    // Their defaults depend on the mode.
    next.config_reload_signal = before.config_reload_signal;
    next.renew_signal_guard = before.renew_signal_guard;
  }
  keep("daemon_mode", &config::Config::daemon_mode);
  keep("cmd_mode", &config::Config::cmd_mode);
  keep("allow_core_dumps", &config::Config::allow_core_dumps);
  keep("subreaper", &config::Config::subreaper);
}

void report_refused(const Error& error) {
  log::Fields fields = {{"event", "config_reload_refused"}, {"error", error.message}};
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  log::error("The configuration is not reloaded, everything stays as it was", fields);
  for (const Error& each : error.also) report_refused(each);
}

bool same_tokens(const config::Config& one, const config::Config& other) {
  return one.agent_address == other.agent_address && one.jwt_svids == other.jwt_svids &&
         one.jwt_bundle_file_name == other.jwt_bundle_file_name &&
         one.jwks_file_name == other.jwks_file_name && one.hint == other.hint &&
         one.spiffe_id == other.spiffe_id;
}

bool same_x509_source(const config::Config& one, const config::Config& other) {
  const auto names = [](const config::Config& config) {
    std::vector<std::string> out;
    for (IdentitySettings& each : further_identities(config)) out.push_back(std::move(each.name));
    return out;
  };
  // A new identity needs a message of the agent, even if another one had the same rules.
  return one.agent_address == other.agent_address && wants_x509(one) == wants_x509(other) &&
         all_x509_rules(one) == all_x509_rules(other) && names(one) == names(other);
}

}  // namespace

void Daemon::reload() {
  if (ending_) return;
  if (next_queue_ != nullptr) {
    reload_again_ = true;
    return;
  }
  log::info("Reloading the configuration", {{"event", "config_reload_begun"}});
  manager_.reloading();
  auto loaded = load_();
  Result<void> done;
  if (loaded) {
    config::log_all(loaded->warnings);
    done = apply(std::move(loaded->config));
  } else {
    done = fail(loaded.error());
  }
  if (done) {
    log::info("Configuration reloaded", {{"event", "config_reloaded"}});
  } else {
    report_refused(done.error());
  }
  report_ready();  // otherwise when the files are in their new place
}

// Steps that can fail come first.
Result<void> Daemon::apply(config::Config next) {
  keep_what_is_fixed(config_, next);
  if (next.cmd_mode == config::CmdMode::wrap && next.cmd.empty()) {
    return fail(ErrorKind::config, "cmd_mode is \"wrap\", but cmd is not set", "set cmd");
  }
  auto plan = plan_of(next);
  if (!plan) return fail(plan.error());
  std::unique_ptr<PublishQueue> elsewhere;
  if (publisher_options(config_, plan_) != publisher_options(next, *plan)) {
    auto queue = assemble_publish_queue(next, *plan);
    if (!queue) return fail(queue.error());
    elsewhere = std::move(*queue);
  }
  auto further = further_.prepare(further_identities(next));
  if (!further) return fail(further.error());
  if (auto good = change_health(next.health_checks); !good) return good;

  const bool warned = has_default_password();
  const config::Config before = std::exchange(config_, std::move(next));
  plan_ = *std::move(plan);
  notify_on_ = notify_kinds(config_);
  log::configure(config_.log_level, config_.log_format);
  if (before.config_reload_signal != config_.config_reload_signal) {
    // Posted, because the caller is the watch that is replaced.
    loop_->post([this] {
      if (auto good = watch_signals(); !good) log::error(good.error().message);
    });
  }
  x509_.reconfigured();
  if (!before.x509.options.include_federated_domains) warn_of_federation();
  if (!warned) warn_of_password();
  further_.apply(*std::move(further), PublishQueue::Occasion::reload);
  change_sources(before);
  change_files(std::move(elsewhere), before.hint != config_.hint || before.spiffe_id != config_.spiffe_id);
  return {};
}

// Two servers cannot share one port, so the old one stops first, and is restored if the new one cannot
// listen.
Result<void> Daemon::change_health(const config::HealthChecks& next) {
  if (next == config_.health_checks) return {};
  health_.reset();
  auto served = serve_health(next);
  if (served) return {};
  if (auto again = serve_health(config_.health_checks); !again) {
    log::error("The health endpoint is gone", {{"error", again.error().message}});
  }
  return served;
}

void Daemon::change_sources(const config::Config& before) {
  if (!same_x509_source(before, config_)) {
    x509_source_.reset();
    troubles_.forget(kStream);
    refused_.erase(Kind::x509);
    x509_.set_rules(x509_rules(config_));
    if (!x509_.wanted()) x509_.forget();
    if (!wants_any_x509(config_)) status_.updates[static_cast<std::size_t>(Kind::x509)].reset();
    assemble_x509();
    if (x509_source_ != nullptr) x509_source_->start();
  }
  if (same_tokens(before, config_)) return;
  jwt_.reset();
  expiry_.forget(kJwtSvid);
  for (const Kind kind : {Kind::jwt, Kind::bundle}) {
    refused_.erase(kind);
    status_.updates[static_cast<std::size_t>(kind)].reset();
  }
  assemble_jwt();
  if (jwt_ != nullptr) jwt_->start();
}

void Daemon::change_files(std::unique_ptr<PublishQueue> elsewhere, bool other_identity) {
  if (elsewhere != nullptr || other_identity) {
    // The consumers are not notified of files that are not there yet.
    reconfigure_due_ = true;
    changes_.clear();
    expect_files();
  }
  to_adapt_.clear();
  for (const output::PlannedFile& file : plan_.jwt) to_adapt_.insert(file.name);
  if (elsewhere == nullptr) {
    publish_queue_->request(kIdentity);
    for (const output::PlannedFile& file : plan_.jwt) publish_queue_->request(single(file.name));
    // Files of an earlier reload may still be missing.
    if (!reconfigure_due_) reconfigure_consumers();
    return;
  }
  next_queue_ = std::move(elsewhere);
  publish_queue_->finish([this] {
    // Posted, because the caller is the old queue.
    loop_->post([this] { move_in(); });
  });
}

void Daemon::move_in() {
  if (ending_) return;
  publish_queue_ = std::move(next_queue_);
  publish_queue_->start(PublishQueue::Occasion::reload);
  x509_.withdraw_again();
  publish_queue_->request(kIdentity);
  for (const output::PlannedFile& file : plan_.jwt) publish_queue_->request(single(file.name));
  if (std::exchange(reload_again_, false)) reload();
}

void Daemon::reconfigure_consumers() {
  if (auto good = consumers_->reconfigure(config_); !good) {
    log::error("The new hooks cannot be run", {{"error", good.error().message}});
  }
}

}  // namespace spiffe::daemon
