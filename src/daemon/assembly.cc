// The daemon put together: its parts, and what each of them calls.
#include <algorithm>
#include <utility>

#include <unistd.h>

#include "base/last_words.hh"
#include "base/log.hh"
#include "base/memory.hh"
#include "daemon/daemon.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using health::Kind;

namespace {

// The ones that a wrapped child gets; those of ends_us() are ours.
bool is_forwarded(int signal) {
  for (const int each : {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGQUIT, SIGCONT}) {
    if (signal == each) return true;
  }
  return signal >= SIGRTMIN && signal <= SIGRTMAX;
}

// ^Z stops us as it stops any job, the child with us.
void let_suspend() {
  sigset_t suspend;
  sigemptyset(&suspend);
  sigaddset(&suspend, SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &suspend, nullptr);
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::create(const config::Config& config,
                                               const FoundSignals& found_signals, std::string_view version,
                                               Load load) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  auto names = names_of(config);
  if (!names) return fail(names.error());
  std::unique_ptr<Daemon> self(new Daemon(std::move(*loop), config, std::move(*names)));
  self->status_.version = version;
  self->load_ = std::move(load);
  if (auto assembled = self->assemble(found_signals); !assembled) return fail(assembled.error());
  return self;
}

Daemon::Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Names names)
    : loop_(std::move(loop)),
      config_(config),
      names_(std::move(names)),
      updates_(*loop_, x509_rules(config_), progress(), status_, [this] { publication_->request(); }),
      expiry_(*loop_),
      troubles_(*loop_),
      manager_(*loop_, process::ServiceManager::Options::from(environ, ::getpid())),
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
      notify_on_(notify_kinds(config_)) {}

Daemon::~Daemon() = default;

Result<void> Daemon::assemble(const FoundSignals& found_signals) {
  if (auto good = watch_signals(); !good) return good;
  if (config_.cmd_mode == config::CmdMode::job) {
    let_suspend();
    // Under nohup the hang-up of a terminal is to mean nothing.
    if (sigismember(&found_signals.ignored, SIGHUP) != 1) terminal_ = process::Terminal::find();
  }
  expect_files();
  auto publication = assemble_publication(config_, names_);
  if (!publication) return fail(publication.error());
  publication_ = std::move(*publication);
  if (auto good = serve_health(config_.health_checks); !good) return good;
  if (config_.allow_core_dumps) {
    let_abort_dump();
  } else {
    core_dumps_ = process::CoreDumps::forbid();
  }
  if (auto good = assemble_consumers(found_signals); !good) return good;
  assemble_x509();
  assemble_jwt();
  return {};
}

Result<void> Daemon::watch_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGTSTP}) sigaddset(&wanted, signal);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (is_forwarded(signal) || signal == config_.config_reload_signal) sigaddset(&wanted, signal);
  }
  // They stop whoever is with us in a pipeline and wants the terminal that we have lent.
  if (config_.cmd_mode == config::CmdMode::wrap) {
    sigaddset(&wanted, SIGTTIN);
    sigaddset(&wanted, SIGTTOU);
  }
  auto signals = SignalWatch::create(*loop_, wanted, [this](int signal) { on_signal(signal); });
  if (!signals) return fail(signals.error());
  signals_ = std::move(*signals);
  return {};
}

// Nothing of what is configured is on disk yet.
void Daemon::expect_files() {
  unwritten_.clear();
  status_.x509.reset();
  status_.jwt.clear();
  if (wants_x509(config_)) {
    unwritten_.insert("");
    status_.x509.emplace();
    status_.of(Kind::x509);
  }
  for (const std::string& name : names_.jwt) {
    unwritten_.insert(name);
    output_of(name) = {};  // known from the start, as unwritten
  }
}

Result<std::unique_ptr<Publication>> Daemon::assemble_publication(const config::Config& config,
                                                                  const Names& names) {
  return Publication::create(
      *loop_, publisher_options(config, names),
      {.render = [this] { return render(); },
       .approve = [this] { return approve(); },
       .on_disk = [this](output::Change change, bool first) { on_disk(change, first); },
       .single =
           [this](const std::string& name) { return jwt_ == nullptr ? std::nullopt : jwt_->file(name); },
       .on_single = [this](const std::string& name, output::Change change) { on_single(name, change); },
       .on_failed = [this](const std::string& name, const Error& error) { on_failed(name, error); },
       .on_withdrawn =
           [this] {
             log::warning("No identity for " + human(config_.revoke_after) + ": the private key is removed",
                          {{"event", "revoked"}, {"path", names_.x509.svid_key_file_name}});
           },
       .on_locked_out =
           [this](const Error& error) {
             log::error(error.message, {{"event", "locked_out"}, {"hint", error.hint}});
             end(1);
           }});
}

Result<void> Daemon::serve_health(const config::HealthChecks& checks) {
  status_.ready_includes_program = checks.ready_includes_program;
  if (!checks.listener_enabled || !config_.daemon_mode) return {};
  auto server = health::Server::start(*loop_, status_, health_options(checks));
  if (!server) return fail(server.error());
  health_ = std::move(*server);
  for (const auto& listener : health_->listeners()) {
    log::info("Starting health server", {{"address", listener.name()}});
  }
  return {};
}

Result<void> Daemon::assemble_consumers(const FoundSignals& found_signals) {
  auto consumers = Consumers::create(*loop_, config_,
                                     {.found_signals = found_signals,
                                      .core_dumps = core_dumps_ ? &*core_dumps_ : nullptr,
                                      .on_first = [this] { report_ready(); }},
                                     status_, [this](int exit_code) {
                                       consumers_done_ = true;
                                       // What went wrong here counts more than how the child took its end.
                                       if (exit_code_ == 0) exit_code_ = exit_code;
                                       if (!ending_) end(exit_code_);
                                       leave_if_done();
                                     });
  if (!consumers) return fail(consumers.error());
  consumers_ = std::move(*consumers);
  return {};
}

void Daemon::assemble_x509() {
  if (!wants_x509(config_)) return;
  x509_source_ = std::make_unique<workload::X509Source>(
      *loop_, config_.agent_address, x509_rules(config_),
      workload::X509Source::Callbacks{
          .on_update = [this](std::shared_ptr<workload::X509Update> update) { on_update(std::move(update)); },
          .on_lost = [this](const workload::Lost& lost) { on_lost(lost); },
          .on_restored =
              [this] {
                troubles_.ended(kStream, "The agent's stream is restored",
                                {{"event", "stream_restored"}, {"kind", health::word_of(Kind::x509)}});
                ++status_.of(Kind::x509).stream_reconnects;
                if (jwt_ != nullptr) jwt_->agent_back();
              }});
  log::write(progress(), "Watching for X509 Context", {{"address", config_.agent_address.uri()}});
}

void Daemon::assemble_jwt() {
  if (!wants_jwt(config_)) return;
  jwt_ = std::make_unique<JwtUpdates>(
      *loop_, config_, names_.jwt, status_,
      JwtUpdates::Callbacks{
          .on_file = [this](const std::string& name) { publication_->put(name); },
          .on_not_offered =
              [this](const std::string& name) { output_of(name).state = health::WriteState::failed; },
          .end_if_fatal = [this](Kind kind, const workload::Lost& lost) { return end_if_fatal(kind, lost); },
          .own = [this]() -> const identity::TrustDomain* {
            const auto* context = updates_.current();
            return context == nullptr ? nullptr : &context->bundle.trust_domain;
          }});
  if (config_.jwt_bundle_file_name.empty()) return;
  log::write(progress(), "Watching for JWT Bundles", {{"address", config_.agent_address.uri()}});
}

}  // namespace spiffe::daemon
