#include "daemon/daemon.hh"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/last_words.hh"
#include "base/log.hh"
#include "base/thread.hh"
#include "config/path_join.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using health::Kind;

namespace {

// How long the end waits for a job that writes to a disk.
constexpr auto kDiskPatience = 1s;

// From the end of the child to our own: streams are closed within milliseconds, or not at all.
constexpr auto kPatience = 500ms;

// From the first publication to the end of the start.
constexpr auto kSettled = 500ms;

// In job mode SIGQUIT as well: it is the stop signal of images that a helper is put into, such as nginx's.
bool ends_us(int signal, const config::Config& config) {
  if (signal == SIGTERM || signal == SIGINT) return true;
  return signal == SIGQUIT && config.cmd_mode == config::CmdMode::job &&
         config.config_reload_signal != SIGQUIT;
}

}  // namespace

void Daemon::warn_of_choices() const {
  if (!config_.include_federated_domains || !wants_x509(config_)) return;
  log::warning(
      "include_federated_domains puts the authorities of all trust domains into one file: a consumer "
      "that trusts it lets each of them issue identities of the others");
}

int Daemon::run() {
  warn_of_choices();
  if (x509_source_ != nullptr) x509_source_->start();  // connects while the directory is opened
  if (jwt_ != nullptr) jwt_->start();
  if (!config_.daemon_mode && config_.timeout > 0ns) timeout_.after(config_.timeout);
  manager_.waiting("waiting for an identity");
  publication_->start();
  run_loop();
  if (config_.daemon_mode || exit_code_ == 0) log::info("Exiting");
  // The child has ended. Whatever hangs from here on does not keep us.
  leave_within(kPatience, exit_code_);
  // Should a hanging file operation end now, its thread must not find its objects destroyed.
  if (!abandoned_) {
    x509_source_.reset();
    jwt_.reset();
  }
  if (abandoned_ || Thread::left_behind() > 0) ::_exit(exit_code_);
  return exit_code_;
}

// What no code of ours expects, out of memory most likely, ends the process as a signal does: the child
// first.
void Daemon::run_loop() {
  for (;;) {
    try {
      return loop_->run();
    } catch (const std::exception& unexpected) {
      if (std::exchange(failed_, true)) throw;  // the end, too: the child is ended by our death
      log::error("An unexpected error ends the process",
                 {{"event", "stopping"}, {"error", unexpected.what()}});
      end(1);
    }
  }
}

log::Level Daemon::progress() const {
  return config_.daemon_mode ? log::Level::info : log::Level::debug;
}

void Daemon::on_update(std::shared_ptr<workload::X509Update> update) {
  const log::Batch after_the_signal;
  status_.identity_denied = false;
  status_.of(Kind::x509).stream_connected = true;
  refused_.erase(Kind::x509);
  revoke_timer_.cancel();
  updates_.receive(std::move(update));
}

// A key that was removed comes back with the next good message: one that is refused gives none.
bool Daemon::approve() {
  const auto* before = updates_.current();
  const bool approved = updates_.settle();
  if (updates_.current() != before && std::exchange(revoked_, false)) {
    log::info("The agent gives an identity again: the key comes back");
  }
  return approved;
}

std::optional<Result<output::FileSet>> Daemon::render() {
  auto context = updates_.newest();
  if (context == nullptr || !wants_x509(config_) || (revoked_ && context.get() == updates_.current()))
    return std::nullopt;
  rendered_ = std::move(context);
  return output::render(*rendered_, names_.x509, wall_now());
}

void Daemon::on_disk(output::Change change, bool first) {
  // That was where it no longer counts, or an identity that no longer does.
  if (next_publication_ != nullptr || updates_.current() == nullptr) return;
  const log::Batch after_the_signal;
  on_disk_ = rendered_;
  const identity::Certificate& leaf = on_disk_->svid.leaf();
  const std::string id = on_disk_->svid.id.str();
  const WallTime not_after = on_disk_->not_after();
  const bool adapted = to_adapt_.erase("") > 0;
  const log::Fields fields = {{"spiffe_id", id},
                              {"serial", leaf.serial()},
                              {"not_after", rfc3339(not_after)},
                              {"event", change == output::Change::published   ? "svid_published"
                                        : change == output::Change::unchanged ? "svid_unchanged"
                                        : adapted                             ? "files_adapted"
                                                                              : "files_repaired"}};
  expiry_.watch("", {kX509Svid, {"spiffe_id", id}}, leaf.not_before(), not_after);
  *status_.x509 = {health::WriteState::written, not_after};
  status_.svid_not_after = {{id, not_after}};
  status_.bundle_not_after = {{on_disk_->bundle.trust_domain.name(), on_disk_->bundle.not_after()}};
  if (change == output::Change::repaired && adapted) {
    log::info("Files on disk are adapted to the configuration", fields);
  } else if (change == output::Change::repaired) {
    log::warning("Files on disk were changed by others, and repaired", fields);
  }
  if (change == output::Change::published || first || unwritten_.contains("")) {
    ++status_.of(Kind::x509).publications;
    log::write(progress(), "X.509 certificates updated", fields);
    written("");
    notify(Kind::x509);
    report_ready();
  } else {
    log::debug("X.509 certificates unchanged", fields);
  }
}

void Daemon::on_single(const std::string& name, output::Change change) {
  if (next_publication_ != nullptr) return;
  const Kind kind = kind_of(name);
  const auto expires = jwt_ == nullptr ? std::nullopt : jwt_->expires(name);
  output_of(name) = {health::WriteState::written, expires};
  // The agent may have had it for a while: what counts is how much was left when it came.
  if (expires) expiry_.watch(name, {kJwtSvid, {"path", name}}, wall_now(), *expires);
  const bool changed = change == output::Change::published || unwritten_.contains(name);
  if (changed) ++status_.of(kind).publications;
  const bool adapted = to_adapt_.erase(name) > 0;
  if (change == output::Change::repaired) {
    log::write(adapted ? log::Level::info : log::Level::warning,
               adapted ? "A file on disk is adapted to the configuration"
                       : "A file on disk was changed by others, and repaired",
               {{"event", adapted ? "files_adapted" : "files_repaired"}, {"path", name}});
  }
  log::write(changed ? progress() : log::Level::debug,
             kind == Kind::jwt ? "JWT SVID updated" : "JWT bundle updated",
             {{"path", name}, {"event", kind == Kind::jwt ? "jwt_svid_published" : "jwt_bundle_published"}});
  written(name);
  if (!changed) return;
  notify(kind);
  report_ready();
}

// The consumers are told once all files of the kinds that count are there.
void Daemon::notify(Kind kind) {
  if (!notify_on_.contains(kind) || ending_ || !config_.daemon_mode) return;
  changes_.insert(kind);
  const bool incomplete = std::ranges::any_of(
      unwritten_, [this](const std::string& name) { return notify_on_.contains(kind_of(name)); });
  if (incomplete) return;
  if (!std::exchange(told_, true)) settled_.after(kSettled);
  if (std::exchange(reconfigure_due_, false)) reconfigure_consumers();
  consumers_->changed(std::exchange(changes_, {}));
  if (!consumers_->told()) manager_.waiting("waiting for prepare_cmd to succeed");
}

void Daemon::report_ready() {
  if (!unwritten_.empty() || !consumers_->told()) return;
  const bool x509 = on_disk_ != nullptr && wants_x509(config_);
  manager_.ready(x509 ? on_disk_->svid.id.str() + ", valid until " + rfc3339(on_disk_->not_after())
                      : "all files are written");
}

// One-shot tells of each part as a whole, and ends with the last.
void Daemon::written(const std::string& name) {
  if (unwritten_.erase(name) == 0 || config_.daemon_mode) return;
  const bool tokens_missing = std::ranges::any_of(
      unwritten_, [this](const std::string& other) { return !other.empty() && is_token(other); });
  if (name.empty()) {
    log::info("Successfully fetched x509 certificates",
              {{"spiffe_id", on_disk_->svid.id.str()}, {"not_after", rfc3339(on_disk_->not_after())}});
  } else if (!is_token(name)) {
    log::info("Successfully fetched JWT bundle");
  } else if (!tokens_missing) {
    log::info("Successfully fetched JWT SVIDs");
  }
  if (!unwritten_.empty()) return;
  timeout_.cancel();
  if (!ending_) consumers_->run_once(notify_on_);
}

// Publication has the words: of the file, never of what was fetched.
void Daemon::on_failed(const std::string& name, const Error& error) {
  if (next_publication_ != nullptr) return;
  if (!unwritten_.empty()) manager_.waiting(error.message);
  // Without X.509 it is the directory that failed, and each file will.
  if (!name.empty() || status_.x509) {
    output_of(name).state = health::WriteState::failed;
    ++status_.of(kind_of(name)).write_failures;
  }
  if (!config_.daemon_mode && !ending_) end(1);
}

Kind Daemon::kind_of(const std::string& name) const {
  if (name.empty()) return first_kind(config_);
  return is_token(name) ? Kind::jwt : Kind::bundle;
}

bool Daemon::is_token(const std::string& name) const {
  return config_.jwt_bundle_file_name.empty() || name != names_.jwt.back();
}

health::Output& Daemon::output_of(const std::string& name) {
  return name.empty() ? *status_.x509 : status_.jwt[config::join_path(config_.cert_dir, name)];
}

void Daemon::on_lost(const workload::Lost& lost) {
  const bool denied = lost.failure.kind == workload::FailureKind::no_identity;
  log::Fields fields = {{"event", denied ? "identity_denied" : "stream_lost"},
                        {"kind", health::word_of(Kind::x509)}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  if (!end_if_fatal(Kind::x509, lost)) fields.push_back({"retry_in", human(lost.retry_in)});
  if (updates_.current() != nullptr) fields.push_back({"files", "kept"});
  const char* what =
      config_.daemon_mode ? "Error while watching x509 context: " : "Error fetching x509 certificates: ";
  troubles_.failed(kStream, lost.failure.cause,
                   {log::Level::error, what + lost.failure.cause, std::move(fields)});
  status_.of(Kind::x509).stream_connected = false;
  status_.identity_denied = denied;
  if (updates_.current() == nullptr) manager_.waiting("waiting for an identity: " + lost.failure.cause);
  if (!denied) {
    revoke_timer_.cancel();
  } else if (config_.revoke == config::Revoke::remove && !revoked_ && !revoke_timer_.armed()) {
    // Without an identity as well: a helper before us may have left a key.
    revoke_timer_.after(config_.revoke_after);
  }
}

// Rule 7: what the agent refuses as a request is of no use to be asked again, but for another agent; and one
// kind that it does not know need not stop the others. Once there are consumers nothing ends them, not even a
// reload that names another server. Returns whether the process ends, for the log.
bool Daemon::end_if_fatal(Kind kind, const workload::Lost& lost) {
  const bool unimplemented = lost.failure.kind == workload::FailureKind::unimplemented;
  // One-shot has no time to wait for another server, whatever this one answered before.
  const bool refused_once =
      !config_.daemon_mode && (unimplemented || lost.failure.kind == workload::FailureKind::invalid_argument);
  if ((!lost.fatal && !refused_once) || told_) return false;
  refused_.insert(kind);
  const std::size_t kinds = static_cast<std::size_t>(
      std::ranges::count_if(status_.updates, [](const auto& each) { return each.has_value(); }));
  // A token's request is about its audience alone.
  const bool of_one_token = kind == Kind::jwt && !unimplemented;
  const bool ends = !config_.daemon_mode || refused_.size() == kinds || (!unimplemented && !of_one_token);
  // Posted: the caller has yet to say why.
  if (ends) {
    loop_->post([this] {
      if (!ending_) end(1);
    });
  }
  return ends;
}

void Daemon::revoke() {
  revoked_ = true;
  status_.x509 = health::Output{};
  publication_->withdraw({names_.x509.svid_key_file_name});
}

void Daemon::on_signal(int signal) {
  const bool wrap = config_.cmd_mode == config::CmdMode::wrap;
  if (signal == SIGCHLD) {
    consumers_->child_changed();
  } else if (ends_us(signal, config_)) {
    log::info("Received " + signal_name(signal), {{"event", "stopping"}});
    // One-shot that is interrupted has not done what it was asked for.
    end(config_.daemon_mode || unwritten_.empty() ? exit_code_ : 1, signal);
  } else if (!wrap && signal == SIGHUP && terminal_ && terminal_->hung_up()) {
    log::info("The terminal has hung up", {{"event", "stopping"}});
    end(exit_code_, signal);
  } else if (signal == config_.config_reload_signal || (!wrap && signal == SIGHUP)) {
    reload();
  } else if (signal == SIGTSTP) {
    consumers_->suspend();
  } else if (signal == SIGTTIN || signal == SIGTTOU) {
    consumers_->share_terminal();
  } else if (wrap) {
    consumers_->forward(signal);
  }
}

void Daemon::end(int exit_code, int signal) {
  exit_code_ = exit_code;
  timeout_.cancel();
  const bool again = std::exchange(ending_, true);
  consumers_->terminate(signal);  // a second time: kills
  if (again) return;
  manager_.stopping();
  // Posted: the caller may be a callback of the very object that goes.
  loop_->post([this] {
    if (x509_source_ != nullptr) x509_source_->stop();
    if (jwt_ != nullptr) jwt_->stop();
    disk_patience_.after(kDiskPatience);
    publication_->finish([this] {
      disk_patience_.cancel();
      files_done_ = true;
      leave_if_done();
    });
  });
}

void Daemon::leave_if_done() {
  if (files_done_ && consumers_done_) loop_->stop();
}

}  // namespace spiffe::daemon
