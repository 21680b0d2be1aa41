#include "daemon/daemon.hh"

#include <algorithm>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/log.hh"
#include "base/memory.hh"
#include "config/path_join.hh"
#include "workload/channel.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using health::Kind;

namespace {

// How long the end waits for a job that writes to a disk.
constexpr auto kDiskPatience = 1s;

// From the first publication to the end of the start.
constexpr auto kSettled = 500ms;

Kind notify_kind(const config::Config& config) {
  if (wants_x509(config)) return Kind::x509;
  return config.jwt_svids.empty() ? Kind::bundle : Kind::jwt;
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::create(const config::Config& config, const sigset_t& original_mask,
                                               std::string_view version) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  auto names = names_of(config);
  if (!names) return fail(names.error());
  std::unique_ptr<Daemon> self(new Daemon(std::move(*loop), config, std::move(*names)));
  self->status_.version = version;
  if (auto assembled = self->assemble(original_mask); !assembled) return fail(assembled.error());
  return self;
}

Daemon::Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Names names)
    : loop_(std::move(loop)),
      config_(config),
      names_(std::move(names)),
      updates_(*loop_, x509_rules(config_), progress(), status_, [this] { publication_->request(); }),
      expiry_(*loop_),
      disk_patience_(*loop_,
                     [this] {
                       log::warning("A file operation hangs: leaving without the clean-up",
                                    {{"event", "disk_hangs"}});
                       publication_->abandon();
                       abandoned_ = true;
                       files_done_ = true;
                       leave_if_done();
                     }),
      settled_(*loop_, [] { release_start_memory(); }),
      timeout_(*loop_,
               [this] {
                 log::error("Not everything was written within " + human(config_.timeout),
                            {{"event", "timed_out"},
                             {"hint",
                              "the last error above says what was waited for; timeout = \"0\" waits "
                              "for ever"}});
                 end(1);
               }),
      revoke_timer_(*loop_, [this] { revoke(); }),
      notify_on_(notify_kind(config_)) {}

Daemon::~Daemon() = default;

Result<void> Daemon::assemble(const sigset_t& original_mask) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&wanted, signal);
  auto signals = SignalWatch::create(*loop_, wanted, [this](int signal) { on_signal(signal); });
  if (!signals) return fail(signals.error());
  signals_ = std::move(*signals);

  if (wants_x509(config_)) {
    unwritten_.insert("");
    status_.x509.emplace();
    status_.of(Kind::x509);
  }
  for (const std::string& name : names_.jwt) {
    unwritten_.insert(name);
    output_of(name) = {};  // known from the start, as unwritten
  }
  if (auto good = assemble_publication(); !good) return good;
  if (auto good = serve_health(); !good) return good;
  if (!config_.allow_core_dumps) core_dumps_ = process::CoreDumps::forbid();
  assemble_child(original_mask);
  assemble_sources();
  return {};
}

Result<void> Daemon::assemble_publication() {
  auto publication = Publication::create(
      *loop_, publisher_options(config_, names_),
      {.render = [this] { return render(); },
       .approve = [this] { return approve(); },
       .on_disk = [this](output::Change change, bool first) { on_disk(change, first); },
       .single = [this](const std::string& name) { return jwt_->file(name); },
       .on_single = [this](const std::string& name, output::Change change) { on_single(name, change); },
       .on_failed = [this](const std::string& name, const Error& error) { on_failed(name, error); },
       .on_locked_out =
           [this](const Error& error) {
             log::error(error.message, {{"event", "locked_out"}, {"hint", error.hint}});
             end(1);
           }});
  if (!publication) return fail(publication.error());
  publication_ = std::move(*publication);
  return {};
}

Result<void> Daemon::serve_health() {
  if (!config_.health_checks.listener_enabled || !config_.daemon_mode) return {};
  auto server = health::Server::start(*loop_, status_, health_options(config_.health_checks));
  if (!server) return fail(server.error());
  health_ = std::move(*server);
  for (const auto& listener : health_->listeners()) {
    log::info("Starting health server", {{"address", listener.name()}});
  }
  return {};
}

void Daemon::assemble_child(const sigset_t& original_mask) {
  if (config_.cmd.empty() || !config_.daemon_mode) return;
  child_done_ = false;
  status_.child.configured = true;
  auto options = child_options(config_, original_mask);
  options.launch.core_dumps = core_dumps_ ? &*core_dumps_ : nullptr;
  options.on_news = [this](process::ChildNews news) { on_child(news); };
  child_ = std::make_unique<process::Supervision>(*loop_, std::move(options), [this](int) {
    child_done_ = true;
    leave_if_done();
  });
}

void Daemon::assemble_sources() {
  if (wants_x509(config_)) {
    x509_source_ = std::make_unique<workload::X509Source>(
        *loop_, config_.agent_address, x509_rules(config_),
        workload::X509Source::Callbacks{
            .on_update =
                [this](std::shared_ptr<workload::X509Update> update) { on_update(std::move(update)); },
            .on_lost = [this](const workload::Lost& lost) { on_lost(lost); },
            .on_restored =
                [this] {
                  log::info("The agent's stream is restored", {{"event", "stream_restored"}});
                  ++status_.of(Kind::x509).stream_reconnects;
                  if (jwt_ != nullptr) jwt_->agent_back();
                }});
  }
  if (!wants_jwt(config_)) return;
  jwt_ = std::make_unique<JwtUpdates>(
      *loop_, config_, names_.jwt, status_,
      JwtUpdates::Callbacks{
          .on_file = [this](const std::string& name) { publication_->put(name); },
          .on_lost = [this](Kind kind, const workload::Lost& lost) { on_refused(kind, lost); },
          .own = [this]() -> const identity::TrustDomain* {
            const auto* context = updates_.current();
            return context == nullptr ? nullptr : &context->bundle.trust_domain;
          }});
}

int Daemon::run() {
  if (config_.include_federated_domains && wants_x509(config_)) {
    log::warning(
        "include_federated_domains puts the authorities of all trust domains into one file: a consumer "
        "that trusts it lets each of them issue identities of the others");
  }
  if (x509_source_ != nullptr) {
    log::write(progress(), "Watching for X509 Context", {{"address", config_.agent_address.uri()}});
    x509_source_->start();  // connects while the directory is opened
  }
  if (jwt_ != nullptr) {
    if (!config_.jwt_bundle_file_name.empty()) {
      log::write(progress(), "Watching for JWT Bundles", {{"address", config_.agent_address.uri()}});
    }
    jwt_->start();
  }
  if (!config_.daemon_mode && config_.timeout > 0ns) timeout_.after(config_.timeout);
  publication_->start();
  loop_->run();
  if (config_.daemon_mode || exit_code_ == 0) log::info("Exiting");
  // Should the operation end now, its thread must not find its objects destroyed.
  if (abandoned_) ::_exit(exit_code_);
  return exit_code_;
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
  const identity::X509Context* context = updates_.newest();
  if (context == nullptr || (revoked_ && context == updates_.current())) return std::nullopt;
  const auto& leaf = context->svid.leaf();
  auto authority_end = WallTime::max();
  for (const auto& authority : context->bundle.authorities) {
    authority_end = std::min(authority_end, authority.not_after());
  }
  rendered_ = {context->svid.id.str(),
               leaf.serial(),
               leaf.not_before(),
               context->not_after(),
               context->bundle.trust_domain.name(),
               authority_end};
  return output::render(*context, names_.x509, wall_now());
}

void Daemon::on_disk(output::Change change, bool first) {
  const log::Batch after_the_signal;
  const log::Fields fields = {{"spiffe_id", rendered_->spiffe_id},
                              {"serial", rendered_->serial},
                              {"not_after", rfc3339(rendered_->not_after)},
                              {"event", change == output::Change::published  ? "svid_published"
                                        : change == output::Change::repaired ? "files_repaired"
                                                                             : "svid_unchanged"}};
  expiry_.watch(rendered_->spiffe_id, rendered_->not_before, rendered_->not_after);
  *status_.x509 = {health::WriteState::written, rendered_->not_after};
  status_.svid_not_after = {{rendered_->spiffe_id, rendered_->not_after}};
  status_.bundle_not_after = {{rendered_->trust_domain, rendered_->bundle_not_after}};
  if (change == output::Change::repaired) {
    log::warning("Files on disk were changed by others, and repaired", fields);
  }
  if (change == output::Change::published || first) {
    ++status_.of(Kind::x509).publications;
    log::write(progress(), "X.509 certificates updated", fields);
    notify(Kind::x509, true);
  } else {
    log::debug("X.509 certificates unchanged", fields);
  }
  written("");
}

void Daemon::on_single(const std::string& name, output::Change change) {
  const Kind kind = kind_of(name);
  output_of(name) = {health::WriteState::written, jwt_->expires(name)};
  const bool changed = change == output::Change::published || unwritten_.contains(name);
  if (changed) ++status_.of(kind).publications;
  if (change == output::Change::repaired) {
    log::warning("A file on disk was changed by others, and repaired",
                 {{"event", "files_repaired"}, {"path", name}});
  }
  log::write(changed ? progress() : log::Level::debug,
             kind == Kind::jwt ? "JWT SVID updated" : "JWT bundle updated",
             {{"path", name}, {"event", kind == Kind::jwt ? "jwt_svid_published" : "jwt_bundle_published"}});
  written(name);
  notify(kind, changed);
}

// The child starts once all files of the kind that it is told of are there.
void Daemon::notify(Kind kind, bool changed) {
  if (kind != notify_on_ || !changed) return;
  const bool complete = kind == Kind::x509 || std::ranges::none_of(unwritten_, [&](const std::string& name) {
                          return !name.empty() && jwt_->is_token(name) == (kind == Kind::jwt);
                        });
  if (!complete) return;
  if (++generation_ == 1) settled_.after(kSettled);
  if (child_ != nullptr) child_->published(generation_);
}

// One-shot tells of each part as a whole, and ends with the last.
void Daemon::written(const std::string& name) {
  if (unwritten_.erase(name) == 0 || config_.daemon_mode) return;
  const bool tokens_missing = std::ranges::any_of(
      unwritten_, [this](const std::string& other) { return !other.empty() && jwt_->is_token(other); });
  if (name.empty()) {
    log::info("Successfully fetched x509 certificates");
  } else if (!jwt_->is_token(name)) {
    log::info("Successfully fetched JWT bundle");
  } else if (!tokens_missing) {
    log::info("Successfully fetched JWT SVIDs");
  }
  if (unwritten_.empty()) end(0);
}

void Daemon::on_failed(const std::string& name, const Error& error) {
  const Kind kind = kind_of(name);
  // Without X.509 it is the directory that failed, and each file will.
  if (!name.empty() || status_.x509) {
    output_of(name).state = health::WriteState::failed;
    ++status_.of(kind).write_failures;
  }
  if (config_.daemon_mode || ending_) return;
  const std::string_view what = kind == Kind::x509  ? "x509 certificates"
                                : kind == Kind::jwt ? "JWT SVIDs"
                                                    : "JWT bundle";
  log::error("Error fetching " + std::string(what), {{"error", error.message}});
  end(1);
}

Kind Daemon::kind_of(const std::string& name) const {
  if (name.empty()) return notify_on_;
  return jwt_->is_token(name) ? Kind::jwt : Kind::bundle;
}

health::Output& Daemon::output_of(const std::string& name) {
  return name.empty() ? *status_.x509 : status_.jwt[config::join_path(config_.cert_dir, name)];
}

void Daemon::on_lost(const workload::Lost& lost) {
  const bool denied = lost.failure.kind == workload::FailureKind::no_identity;
  log::Fields fields = {{"event", denied ? "identity_denied" : "stream_lost"}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  if (!lost.fatal) fields.push_back({"retry_in", human(lost.retry_in)});
  if (updates_.current() != nullptr) fields.push_back({"files", "kept"});
  log::write(
      lost.new_cause ? log::Level::error : log::Level::debug,
      (config_.daemon_mode ? "Error while watching x509 context: " : "Error fetching x509 certificates: ") +
          lost.failure.cause,
      fields);
  status_.of(Kind::x509).stream_connected = false;
  status_.identity_denied = denied;
  if (!denied) {
    revoke_timer_.cancel();
  } else if (config_.revoke == config::Revoke::remove && updates_.current() != nullptr && !revoked_ &&
             !revoke_timer_.armed()) {
    revoke_timer_.after(config_.revoke_after);
  }
  on_refused(Kind::x509, lost);
}

// Rule 7: what the agent refuses as a request is of no use to be asked again, but for another agent; and one
// kind that it does not know need not stop the others.
void Daemon::on_refused(Kind kind, const workload::Lost& lost) {
  if (!lost.fatal) return;
  refused_.insert(kind);
  const bool unimplemented = lost.failure.kind == workload::FailureKind::unimplemented;
  const std::size_t kinds = static_cast<std::size_t>(
      std::ranges::count_if(status_.updates, [](const auto& each) { return each.has_value(); }));
  // A token's request is about its audience alone.
  const bool of_one_token = kind == Kind::jwt && !unimplemented;
  if (!config_.daemon_mode || refused_.size() == kinds || (!unimplemented && !of_one_token)) end(1);
}

void Daemon::revoke() {
  revoked_ = true;
  log::warning("No identity for " + human(config_.revoke_after) + ": the private key is removed",
               {{"event", "revoked"}, {"path", names_.x509.svid_key_file_name}});
  status_.x509 = health::Output{};
  publication_->withdraw({names_.x509.svid_key_file_name});
}

void Daemon::on_child(process::ChildNews news) {
  switch (news) {
    case process::ChildNews::started:
      status_.child.up = true;
      ++status_.child.starts;
      break;
    case process::ChildNews::ended:
      status_.child.up = false;
      ++status_.child.exits;
      break;
    case process::ChildNews::signalled:
      ++status_.count(health::SignalResult::sent);
      break;
    case process::ChildNews::signal_failed:
      ++status_.count(health::SignalResult::failed);
      break;
  }
}

void Daemon::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
    case SIGINT:
      log::info("Received " + signal_name(signal), {{"event", "stopping"}});
      // One-shot that is interrupted has not done what it was asked for.
      end(config_.daemon_mode || unwritten_.empty() ? exit_code_ : 1);
      break;
    case SIGHUP:
      log::warning("SIGHUP received, but the configuration cannot be reloaded yet: restart instead");
      break;
    default:
      break;  // SIGCHLD
  }
}

void Daemon::end(int exit_code) {
  exit_code_ = exit_code;
  timeout_.cancel();
  if (child_ != nullptr) child_->terminate();  // a second time: kills
  if (std::exchange(ending_, true)) return;
  // Posted: the caller may be a callback of the very object that goes.
  loop_->post([this] {
    x509_source_.reset();
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
  if (files_done_ && child_done_) loop_->stop();
}

}  // namespace spiffe::daemon
