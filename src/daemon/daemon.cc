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
#include "output/encode_pkcs12.hh"
#include "output/formats.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using identity::Kind;

namespace {

// How long the shutdown waits for a job that writes to a disk.
constexpr auto kDiskPatience = 1s;

// From the end of the child until we exit. Streams close within milliseconds, or never.
constexpr auto kPatience = 500ms;

// From the first publication until the start is complete.
constexpr auto kSettled = 500ms;

// In job mode SIGQUIT ends us too: it is the stop signal of some images that contain a helper, such as
// nginx's.
bool ends_us(int signal, const config::Config& config) {
  if (signal == SIGTERM || signal == SIGINT) return true;
  return signal == SIGQUIT && config.cmd_mode == config::CmdMode::job &&
         config.config_reload_signal != SIGQUIT;
}

// Whether an output needs a password and none is configured.
bool default_password(const config::X509Outputs& outputs) {
  return outputs.keystore_password_file.empty() && output::any_has(outputs.names, &output::Format::password);
}

}  // namespace

void Daemon::warn_of_federation() const {
  const bool federated = (wants_x509(config_) && config_.x509.options.include_federated_domains) ||
                         std::ranges::any_of(config_.x509_svids, [](const config::X509Svid& each) {
                           return each.x509.options.include_federated_domains;
                         });
  if (!federated) return;
  log::warning(
      "include_federated_domains puts the authorities of all trust domains into one file: a consumer "
      "that trusts it lets each of them issue identities of the others");
}

bool Daemon::has_default_password() const {
  return default_password(config_.x509) ||
         std::ranges::any_of(config_.x509_svids,
                             [](const config::X509Svid& each) { return default_password(each.x509); });
}

void Daemon::warn_of_password() const {
  if (!has_default_password()) return;
  log::warning("The password of keystore and truststore is the default, " +
                   std::string(output::kDefaultKeystorePassword) + ": only their modes protect them",
               {{"event", "default_keystore_password"},
                {"hint", "set keystore_password_file, if what reads them takes another password"}});
}

int Daemon::run() {
  warn_of_federation();
  warn_of_password();
  if (x509_source_ != nullptr) x509_source_->start();  // it connects while the directory is being opened
  if (jwt_ != nullptr) jwt_->start();
  if (!config_.daemon_mode && config_.timeout > 0ns) timeout_.after(config_.timeout);
  manager_.waiting("waiting for an identity");
  publish_queue_->start();
  if (auto good = further_.start(); !good) {
    log::error(good.error().message);
    end(1);
  }
  run_loop();
  if (config_.daemon_mode || exit_code_ == 0) log::info("Exiting");
  // The child has ended, so nothing that hangs from here on may delay our exit.
  leave_within(kPatience, exit_code_);
  // A file operation that hangs may still finish, and its thread uses these objects.
  if (!abandoned_) {
    x509_source_.reset();
    jwt_.reset();
  }
  if (abandoned_ || Thread::left_behind() > 0) ::_exit(exit_code_);
  return exit_code_;
}

// After an unexpected exception, most likely out of memory, the process ends in the same order as after a
// signal: the child first.
void Daemon::run_loop() {
  for (;;) {
    try {
      return loop_->run();
    } catch (const std::exception& unexpected) {
      if (std::exchange(failed_, true)) throw;  // the shutdown failed too; our death ends the child
      log::error("An unexpected error ends the process",
                 {{"event", "stopping"}, {"error", unexpected.what()}});
      end(1);
    }
  }
}

void Daemon::on_update(const workload::X509Source::Updates& updates) {
  status_.identity_denied = false;
  status_.of(Kind::x509).stream_connected = true;
  refused_.erase(Kind::x509);
  const std::size_t first = x509_.wanted() ? 1 : 0;
  if (first > 0) x509_.announce(*updates.front());
  for (std::size_t i = first; i < updates.size(); ++i) further_.announce(i - first, *updates[i]);
}

void Daemon::on_judged(std::size_t index, const workload::X509Update& update) {
  const log::Batch after_the_signal;
  const std::size_t first = x509_.wanted() ? 1 : 0;
  if (index < first) {
    x509_.receive(update);
  } else {
    further_.receive(index - first, update);
  }
}

void Daemon::on_x509_written(bool expected) {
  if (expected && !config_.daemon_mode) {
    log::info("Successfully fetched x509 certificates",
              {{"spiffe_id", x509_.published()->svid.id.str()},
               {"not_after", rfc3339(x509_.published()->not_after())}});
    leave_if_written();
  }
  if (jwt_ != nullptr) jwt_->own_known();
  notify(Kind::x509);
  report_ready();
}

// Without an identity at the top level, cmd is notified of the entries of x509_svids.
void Daemon::on_further_written(bool expected) {
  if (jwt_ != nullptr) jwt_->own_known();
  if (!x509_.wanted()) notify(Kind::x509);
  if (expected && !config_.daemon_mode) leave_if_written();
  report_ready();
}

void Daemon::on_further_end() {
  if (!config_.daemon_mode) leave_if_written();
  leave_if_done();
}

void Daemon::on_single(const std::string& name, output::Change change) {
  const Kind kind = kind_of(name);
  const auto expires = jwt_ == nullptr ? std::nullopt : jwt_->expires(name);
  output_of(name) = {health::WriteState::written, expires};
  // The agent may have cached the token, so its lifetime on our disk begins now.
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
  log::write(changed ? progress_level(config_) : log::Level::debug,
             kind == Kind::jwt ? "JWT SVID updated" : "JWT bundle updated",
             {{"path", name}, {"event", kind == Kind::jwt ? "jwt_svid_published" : "jwt_bundle_published"}});
  written(name);
  if (!changed) return;
  notify(kind);
  report_ready();
}

// The consumers are notified once all files of the kinds in notify_on are on disk.
void Daemon::notify(Kind kind) {
  if (!notify_on_.contains(kind) || ending_ || !config_.daemon_mode) return;
  changes_.insert(kind);
  notify_if_complete();
}

bool Daemon::awaits(Kind kind) const {
  if (kind == Kind::x509) return x509_.wanted() ? x509_.unwritten() : further_.awaited();
  return std::ranges::any_of(unwritten_, [&](const std::string& name) { return kind_of(name) == kind; });
}

void Daemon::notify_if_complete() {
  if (changes_.empty() || ending_) return;
  if (std::ranges::any_of(notify_on_, [this](Kind kind) { return awaits(kind); })) return;
  if (!std::exchange(notified_, true)) settled_.after(kSettled);
  if (std::exchange(reconfigure_due_, false)) reconfigure_consumers();
  consumers_->changed(std::exchange(changes_, {}));
  if (!consumers_->notified()) manager_.waiting("waiting for prepare_cmd to succeed");
}

void Daemon::report_ready() {
  if (!unwritten_.empty() || x509_.unwritten() || further_.awaited() || !consumers_->notified()) return;
  const bool x509 = x509_.published() != nullptr && x509_.wanted();
  manager_.ready(x509 ? x509_.described() : "all files are written");
}

// One-shot mode logs each kind when all of its files are written, and ends with the last one.
void Daemon::written(const std::string& name) {
  if (unwritten_.erase(name) == 0 || config_.daemon_mode) return;
  const Kind kind = kind_of(name);
  if (!awaits(kind)) {
    log::info(kind == Kind::jwt ? "Successfully fetched JWT SVIDs" : "Successfully fetched JWT bundle");
  }
  leave_if_written();
}

void Daemon::leave_if_written() {
  if (!all_written() || !further_.done()) return;
  timeout_.cancel();
  if (exit_code_ == 0) exit_code_ = further_.exit_code();
  if (!ending_ && !std::exchange(notified_, true)) consumers_->run_once(notify_on_);
}

// PublishQueue logs the error.
void Daemon::on_failed(const Group& group, const Error& error) {
  if (next_queue_ != nullptr) return;
  if (!all_written()) manager_.waiting(error.message);
  if (group == kIdentity) {
    x509_.on_failed();
  } else {
    output_of(group.name).state = health::WriteState::failed;
    ++status_.of(kind_of(group.name)).write_failures;
  }
  if (!config_.daemon_mode && !ending_) end(1);
}

Kind Daemon::kind_of(const std::string& name) const {
  return plan_.is_token(name) ? Kind::jwt : Kind::bundle;
}

health::Output& Daemon::output_of(const std::string& name) {
  return status_.jwt[config::join_path(config_.cert_dir, name)];
}

const identity::X509Context* Daemon::current_identity() const {
  return x509_.wanted() ? x509_.current() : further_.current();
}

void Daemon::on_lost(const workload::Lost& lost) {
  const bool denied = lost.failure.kind == workload::FailureKind::no_identity;
  log::Fields fields = {{"event", denied ? "identity_denied" : "stream_lost"},
                        {"kind", identity::word_of(Kind::x509)}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  if (!end_if_fatal(Kind::x509, lost)) fields.push_back({"retry_in", human(lost.retry_in)});
  if (current_identity() != nullptr) fields.push_back({"files", "kept"});
  const char* what =
      config_.daemon_mode ? "Error while watching x509 context: " : "Error fetching x509 certificates: ";
  troubles_.failed(kStream, lost.failure.cause,
                   {log::Level::error, what + lost.failure.cause, std::move(fields)});
  status_.of(Kind::x509).stream_connected = false;
  status_.identity_denied = denied;
  if (current_identity() == nullptr) manager_.waiting("waiting for an identity: " + lost.failure.cause);
  x509_.lost(denied);
  further_.lost(denied);
}

// InvalidArgument and Unimplemented: the server would refuse the same request again (Workload Endpoint,
// appendix A), so the start fails. It continues if only one of several kinds is unimplemented. Once the
// consumers were notified, the process does not end for this reason, not even after a reload with the address
// of another server: a running program must not stop. Returns whether the process ends, for the log.
bool Daemon::end_if_fatal(Kind kind, const workload::Lost& lost) {
  const bool unimplemented = lost.failure.kind == workload::FailureKind::unimplemented;
  // One-shot mode does not wait for another server, even if this one has given a valid answer before.
  const bool refused_once =
      !config_.daemon_mode && (unimplemented || lost.failure.kind == workload::FailureKind::invalid_argument);
  if ((!lost.fatal && !refused_once) || notified_) return false;
  refused_.insert(kind);
  const std::size_t kinds = static_cast<std::size_t>(
      std::ranges::count_if(status_.updates, [](const auto& each) { return each.has_value(); }));
  // InvalidArgument for a token may concern only its audience.
  const bool of_one_token = kind == Kind::jwt && !unimplemented;
  const bool ends = !config_.daemon_mode || refused_.size() == kinds || (!unimplemented && !of_one_token);
  // Posted, because the caller logs the reason first.
  if (ends) {
    loop_->post([this] {
      if (!ending_) end(1);
    });
  }
  return ends;
}

void Daemon::on_signal(int signal) {
  const bool wrap = config_.cmd_mode == config::CmdMode::wrap;
  if (signal == SIGCHLD) {
    consumers_->child_changed();
    further_.child_changed();
    if (reaper_ != nullptr) reaper_->child_changed();  // the other children
  } else if (ends_us(signal, config_)) {
    log::info("Received " + signal_name(signal), {{"event", "stopping"}});
    // Interrupted one-shot mode has failed.
    end(config_.daemon_mode || all_written() ? exit_code_ : 1, signal);
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
  // The second call kills.
  further_.terminate();
  consumers_->terminate(signal);
  if (again) return;
  manager_.stopping();
  // Posted, because the caller may be a callback of an object that stop() affects.
  loop_->post([this] {
    if (x509_source_ != nullptr) x509_source_->stop();
    if (jwt_ != nullptr) jwt_->stop();
    disk_patience_.after(kDiskPatience);
    further_.finish();
    publish_queue_->finish([this] {
      files_done_ = true;
      leave_if_done();
    });
  });
}

void Daemon::consumers_ended(int exit_code) {
  consumers_done_ = true;
  // Our own error is more useful than the exit code of the child that was stopped for it.
  if (exit_code_ == 0) exit_code_ = exit_code;
  if (!ending_) end(exit_code_);
  leave_if_done();
}

// The processes that only the reaper knows are ended last.
void Daemon::leave_if_done() {
  if (files_done_ && further_.files_ended()) disk_patience_.cancel();
  if (!ending_ || !consumers_done_ || !further_.consumers_ended()) return;
  if (reaper_ != nullptr && !others_ended_) {
    if (!std::exchange(ending_others_, true)) {
      reaper_->end_others([this] {
        others_ended_ = true;
        leave_if_done();
      });
    }
    return;
  }
  if (!files_done_ || !further_.files_ended()) return;
  loop_->stop();
}

}  // namespace spiffe::daemon
