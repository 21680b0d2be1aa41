// Constructs the daemon's parts and connects their callbacks.
#include <algorithm>
#include <utility>

#include <unistd.h>

#include "base/last_words.hh"
#include "base/log.hh"
#include "base/memory.hh"
#include "config/outputs.hh"
#include "daemon/daemon.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using identity::Kind;

namespace {

// Signals for a wrapped child; those of ends_us() are ours.
bool is_forwarded(int signal) {
  for (const int each : {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGQUIT, SIGCONT}) {
    if (signal == each) return true;
  }
  return signal >= SIGRTMIN && signal <= SIGRTMAX;
}

// Default action of ^Z: it stops us as any other job, together with the child.
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
  auto plan = plan_of(config);
  if (!plan) return fail(plan.error());
  std::unique_ptr<Daemon> self(new Daemon(std::move(*loop), config, *std::move(plan)));
  self->status_.version = version;
  self->load_ = std::move(load);
  if (auto assembled = self->assemble(found_signals); !assembled) return fail(assembled.error());
  return self;
}

Daemon::Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Plan plan)
    : loop_(std::move(loop)),
      config_(config),
      plan_(std::move(plan)),
      x509_(
          *loop_, config_, x509_rules(config_), plan_.x509, status_, {},
          {.prepare = [this](const auto& render) { publish_queue_->prepare(render); },
           .confirm = [this] { publish_queue_->confirm(); },
           .dismiss = [this] { publish_queue_->dismiss(); },
           .withdraw = [this](std::vector<std::string> names) { publish_queue_->withdraw(std::move(names)); },
           .on_written = [this](bool expected) { on_x509_written(expected); }}),
      expiry_(*loop_),
      troubles_(*loop_),
      manager_(*loop_, process::ServiceManager::Options::from(environ, ::getpid())),
      disk_patience_(*loop_,
                     [this] {
                       log::warning("A file operation hangs: exiting without clean-up",
                                    {{"event", "disk_hangs"}});
                       publish_queue_->abandon();
                       further_.abandon();
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
                              "the last error above names what was missing; timeout = \"0\" waits "
                              "without a limit"}});
                 end(1);
               }),
      notify_on_(notify_kinds(config_)),
      further_(*loop_, further_callbacks()) {}

Daemon::~Daemon() = default;

FurtherIdentities::Callbacks Daemon::further_callbacks() {
  return {.on_written = [this](bool expected) { on_further_written(expected); },
          .on_failed =
              [this](const Error& error) {
                if (!all_written()) manager_.waiting(error.message);
                if (!config_.daemon_mode && !ending_) end(1);
              },
          .on_refused =
              [this] {
                notify_if_complete();
                report_ready();
              },
          .on_end = [this] { on_further_end(); }};
}

Result<void> Daemon::assemble(const FoundSignals& found_signals) {
  if (auto good = watch_signals(); !good) return good;
  if (config_.cmd_mode == config::CmdMode::job) {
    let_suspend();
    // Under nohup, the hang-up of a terminal must have no effect.
    if (sigismember(&found_signals.ignored, SIGHUP) != 1) terminal_ = process::Terminal::find();
  }
  expect_files();
  auto queue = assemble_publish_queue(config_, plan_);
  if (!queue) return fail(queue.error());
  publish_queue_ = std::move(*queue);
  if (auto good = serve_health(config_.health_checks); !good) return good;
  if (config_.allow_core_dumps) {
    let_abort_dump();
  } else {
    core_dumps_ = process::CoreDumps::forbid();
  }
  if (auto good = assemble_consumers(found_signals); !good) return good;
  if (auto good = assemble_further(found_signals); !good) return good;
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
  // These signals stop other processes of our pipeline that want the terminal that we lent to the child.
  if (config_.cmd_mode == config::CmdMode::wrap) {
    sigaddset(&wanted, SIGTTIN);
    sigaddset(&wanted, SIGTTOU);
  }
  auto signals = SignalWatch::create(*loop_, wanted, [this](int signal) { on_signal(signal); });
  if (!signals) return fail(signals.error());
  signals_ = std::move(*signals);
  return {};
}

// None of the configured files is on disk yet.
void Daemon::expect_files() {
  unwritten_.clear();
  status_.jwt.clear();
  x509_.expect();
  for (const output::PlannedFile& file : plan_.jwt) {
    unwritten_.insert(file.name);
    output_of(file.name) = {};  // listed from the start, as unwritten
  }
}

Result<std::unique_ptr<PublishQueue>> Daemon::assemble_publish_queue(const config::Config& config,
                                                                     const Plan& plan) {
  return PublishQueue::create(
      *loop_, disk_, publisher_options(config, plan),
      {.render = [this](const Group& group) { return render(group); },
       .on_disk =
           [this](const Group& group, output::Change change, const auto& identity) {
             if (next_queue_ != nullptr) return;  // a reload moves the files elsewhere
             if (group == kIdentity) {
               x509_.on_disk(change, identity);
             } else {
               on_single(group.name, change);
             }
           },
       .on_failed = [this](const Group& group, const Error& error) { on_failed(group, error); },
       .on_withdrawn = [this] { x509_.on_withdrawn(); },
       .on_locked_out =
           [this](const Error& error) {
             log::error(error.message, {{"event", "locked_out"}, {"hint", error.hint}});
             end(1);
           }});
}

std::optional<Result<Content>> Daemon::render(const Group& group) {
  if (group == kIdentity) return x509_.render();
  auto file = jwt_ == nullptr ? std::nullopt : jwt_->file(group.name);
  if (!file) return std::nullopt;
  Content content{.files = {.files = {}, .alone = true}};
  content.files.files.push_back(*std::move(file));
  return content;
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
  auto reaper = process::Reaper::create(*loop_, config_.subreaper);
  if (!reaper) return fail(reaper.error());
  reaper_ = std::move(*reaper);
  auto consumers = Consumers::create(*loop_, config_,
                                     {.found_signals = found_signals,
                                      .core_dumps = core_dumps_ ? &*core_dumps_ : nullptr,
                                      .reaper = reaper_.get(),
                                      .on_first = [this] { report_ready(); }},
                                     status_, [this](int exit_code) { consumers_ended(exit_code); });
  if (!consumers) return fail(consumers.error());
  consumers_ = std::move(*consumers);
  return {};
}

Result<void> Daemon::assemble_further(const FoundSignals& found_signals) {
  further_.set_shared({.disk = &disk_,
                       .status = &status_,
                       .consumers = {.found_signals = found_signals,
                                     .core_dumps = core_dumps_ ? &*core_dumps_ : nullptr,
                                     .reaper = reaper_.get()}});
  auto prepared = further_.prepare(further_identities(config_));
  if (!prepared) return fail(prepared.error());
  further_.apply(*std::move(prepared), PublishQueue::Occasion::launch);
  return {};
}

void Daemon::assemble_x509() {
  if (!wants_any_x509(config_)) return;
  x509_source_ = std::make_unique<workload::X509Source>(
      *loop_, config_.agent_address, all_x509_rules(config_),
      workload::X509Source::Callbacks{
          .on_update = [this](const auto& updates) { on_update(updates); },
          .on_judged = [this](std::size_t index, const auto& update) { on_judged(index, *update); },
          .on_lost = [this](const workload::Lost& lost) { on_lost(lost); },
          .on_restored =
              [this] {
                troubles_.ended(kStream, "The agent's stream is restored",
                                {{"event", "stream_restored"}, {"kind", identity::word_of(Kind::x509)}});
                ++status_.of(Kind::x509).stream_reconnects;
                if (jwt_ != nullptr) jwt_->agent_back();
              }});
  log::write(progress_level(config_), "Watching for X509 Context",
             {{"address", config_.agent_address.uri()}});
}

void Daemon::assemble_jwt() {
  if (!wants_jwt(config_)) return;
  jwt_ = std::make_unique<JwtUpdates>(
      *loop_, config_, plan_.jwt, status_,
      JwtUpdates::Callbacks{
          .on_file = [this](const std::string& name) { publish_queue_->request(single(name)); },
          .on_not_offered =
              [this](const std::string& name) { output_of(name).state = health::WriteState::failed; },
          .end_if_fatal = [this](Kind kind, const workload::Lost& lost) { return end_if_fatal(kind, lost); },
          .own = [this]() -> const identity::TrustDomain* {
            const auto* context = current_identity();
            return context == nullptr ? nullptr : &context->bundle.trust_domain;
          }});
  if (!config::writes(config_, identity::Kind::bundle)) return;
  log::write(progress_level(config_), "Watching for JWT Bundles", {{"address", config_.agent_address.uri()}});
}

}  // namespace spiffe::daemon
