#include "daemon/daemon.hh"

#include <utility>
#include <vector>

#include <unistd.h>

#include "base/log.hh"
#include "base/memory.hh"
#include "output/name.hh"
#include "output/render.hh"
#include "process/environment.hh"
#include "workload/channel.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;

namespace {

// How long the end waits for a job that writes to a disk.
constexpr auto kDiskPatience = 1s;

// From the first publication to the end of the start.
constexpr auto kSettled = 500ms;

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

identity::X509Selection selection_of(const config::Config& config) {
  return {.hint = config.hint, .spiffe_id = config.spiffe_id ? config.spiffe_id->str() : std::string()};
}

Result<output::X509Outputs> outputs_of(const config::Config& config) {
  output::X509Outputs outputs{
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
  for (std::string* name :
       {&outputs.svid_file_name, &outputs.svid_key_file_name, &outputs.svid_bundle_file_name}) {
    auto clean = output::clean_name(config.cert_dir, *name);
    if (!clean) return fail(clean.error());
    *name = *std::move(clean);
  }
  return outputs;
}

output::PublisherOptions publisher_options(const config::Config& config, const output::X509Outputs& outputs) {
  return {.cert_dir = config.cert_dir,
          .layout = layout_of(config.layout),
          .names = {outputs.svid_file_name, outputs.svid_key_file_name, outputs.svid_bundle_file_name},
          .create_cert_dir = config.create_cert_dir,
          .require_secure_dir = config.require_secure_dir};
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::create(const config::Config& config, const sigset_t& original_mask) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  auto outputs = outputs_of(config);
  if (!outputs) return fail(outputs.error());
  std::unique_ptr<Daemon> self(new Daemon(std::move(*loop), config, std::move(*outputs)));
  if (auto assembled = self->assemble(original_mask); !assembled) return fail(assembled.error());
  return self;
}

Daemon::Daemon(std::unique_ptr<Loop> loop, const config::Config& config, output::X509Outputs outputs)
    : loop_(std::move(loop)),
      config_(config),
      outputs_(std::move(outputs)),
      updates_(*loop_, selection_of(config_), config_.verify, [this] { publication_->request(); }),
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
      settled_(*loop_, [] { release_start_memory(); }) {}

Daemon::~Daemon() = default;

Result<void> Daemon::assemble(const sigset_t& original_mask) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&wanted, signal);
  auto signals = SignalWatch::create(*loop_, wanted, [this](int signal) { on_signal(signal); });
  if (!signals) return fail(signals.error());
  signals_ = std::move(*signals);

  auto publication =
      Publication::create(*loop_, publisher_options(config_, outputs_),
                          {.render = [this] { return render(); },
                           .on_disk = [this](output::Change change, bool first) { on_disk(change, first); },
                           .on_locked_out =
                               [this](const Error& error) {
                                 log::error(error.message, {{"event", "locked_out"}, {"hint", error.hint}});
                                 end(1);
                               }});
  if (!publication) return fail(publication.error());
  publication_ = std::move(*publication);

  if (!config_.allow_core_dumps) core_dumps_ = process::CoreDumps::forbid();
  if (!config_.cmd.empty()) {
    child_done_ = false;
    child_ = std::make_unique<process::Supervision>(*loop_, child_options(original_mask), [this](int) {
      child_done_ = true;
      leave_if_done();
    });
  }
  source_ = std::make_unique<workload::X509Source>(
      *loop_, config_.agent_address,
      workload::X509Source::Callbacks{
          .on_update = [this](identity::X509Material material) { on_update(std::move(material)); },
          .on_lost = [this](const workload::Lost& lost) { on_lost(lost); },
          .on_restored =
              [] { log::info("The agent's stream is restored", {{"event", "stream_restored"}}); }});
  return {};
}

process::Supervision::Options Daemon::child_options(const sigset_t& original_mask) const {
  std::vector<std::string> argv = {config_.cmd};
  argv.insert(argv.end(), config_.cmd_args.begin(), config_.cmd_args.end());
  return {.launch = {.argv = std::move(argv),
                     .env = process::child_environment(
                         environ, {{"SPIFFE_ENDPOINT_SOCKET", config_.agent_address.uri()}}),
                     .mask = original_mask,
                     .core_dumps = core_dumps_ ? &*core_dumps_ : nullptr},
          .renew_signal = config_.renew_signal,
          .stop_signal = config_.stop_signal,
          .stop_timeout = config_.stop_timeout};
}

int Daemon::run() {
  if (config_.include_federated_domains) {
    log::warning(
        "include_federated_domains puts the authorities of all trust domains into one file: a consumer "
        "that trusts it lets each of them issue identities of the others");
  }
  log::info("Watching for X509 Context", {{"address", config_.agent_address.uri()}});
  source_->start();  // connects while the directory is opened
  publication_->start();
  loop_->run();
  log::info("Exiting");
  // Should the operation end now, its thread must not find its objects destroyed.
  if (abandoned_) ::_exit(exit_code_);
  return exit_code_;
}

std::optional<Result<output::FileSet>> Daemon::render() {
  const identity::X509Context* context = updates_.current();
  if (context == nullptr) return std::nullopt;
  const auto& leaf = context->svid.leaf();
  rendered_ = {context->svid.id.str(), leaf.serial(), leaf.not_before(), context->not_after()};
  return output::render(*context, outputs_, wall_now());
}

void Daemon::on_disk(output::Change change, bool first) {
  const log::Fields fields = {{"spiffe_id", rendered_->spiffe_id},
                              {"serial", rendered_->serial},
                              {"not_after", rfc3339(rendered_->not_after)},
                              {"event", change == output::Change::published  ? "svid_published"
                                        : change == output::Change::repaired ? "files_repaired"
                                                                             : "svid_unchanged"}};
  expiry_.watch(rendered_->spiffe_id, rendered_->not_before, rendered_->not_after);
  if (change == output::Change::repaired)
    log::warning("Files on disk were changed by others, and repaired", fields);
  if (change != output::Change::published && !first) {
    log::debug("X.509 certificates unchanged", fields);
    return;
  }
  log::info("X.509 certificates updated", fields);
  ++generation_;
  if (child_ != nullptr) child_->published(generation_);
  if (first) settled_.after(kSettled);
}

void Daemon::on_lost(const workload::Lost& lost) {
  log::Fields fields = {
      {"event", lost.failure.kind == workload::FailureKind::no_identity ? "identity_denied" : "stream_lost"}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  if (!lost.fatal) fields.push_back({"retry_in", human(lost.retry_in)});
  if (updates_.current() != nullptr) fields.push_back({"files", "kept"});
  log::write(lost.new_cause ? log::Level::error : log::Level::debug,
             "Error while watching x509 context: " + lost.failure.cause, fields);
  if (lost.fatal) end(1);
}

void Daemon::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
    case SIGINT:
      log::info("Received " + signal_name(signal), {{"event", "stopping"}});
      end(exit_code_);
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
  if (child_ != nullptr) child_->terminate();  // a second time: kills
  if (std::exchange(ending_, true)) return;
  // Posted: the caller may be a callback of the very object that goes.
  loop_->post([this] {
    source_.reset();
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
