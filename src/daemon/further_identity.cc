#include "daemon/further_identity.hh"

#include <utility>

#include "base/log.hh"

namespace spiffe::daemon {

Result<std::unique_ptr<FurtherIdentity>> FurtherIdentity::create(Loop& loop, const IdentitySettings& settings,
                                                                 const Shared& shared, Callbacks callbacks) {
  std::unique_ptr<FurtherIdentity> self(new FurtherIdentity(settings, shared, std::move(callbacks)));
  if (auto good = self->assemble(loop); !good) return fail(good.error());
  return self;
}

Result<void> FurtherIdentity::assemble(Loop& loop) {
  loop_ = &loop;
  auto plan = plan_of(settings_.config);
  if (!plan) return fail(plan.error());
  plan_ = *std::move(plan);
  pipeline_ = std::make_unique<IdentityPipeline>(
      loop, settings_.config, settings_.rules, plan_.x509, *shared_.status,
      IdentityPipeline::Further{.status = status_.get(), .log = log_},
      IdentityPipeline::Callbacks{.prepare =
                                      [this](const auto& render) {
                                        if (begun_ && !leaving_) publish_queue_->prepare(render);
                                      },
                                  .confirm =
                                      [this] {
                                        if (begun_ && !leaving_) publish_queue_->confirm();
                                      },
                                  .dismiss = [this] { publish_queue_->dismiss(); },
                                  .withdraw =
                                      [this](std::vector<std::string> names) {
                                        if (begun_ && !leaving_) publish_queue_->withdraw(std::move(names));
                                      },
                                  .on_written = [this](bool expected) { written(expected); },
                                  .on_refused = [this] { callbacks_.on_refused(); }});
  return assemble_publish_queue(loop);
}

Result<void> FurtherIdentity::assemble_publish_queue(Loop& loop) {
  auto queue = PublishQueue::create(
      loop, *shared_.disk, publisher_options(settings_.config, plan_),
      {.render = [this](const Group&) { return pipeline_->render(); },
       .on_disk =
           [this](const Group&, output::Change change, const auto& identity) {
             if (!leaving_) pipeline_->on_disk(change, identity);
           },
       .on_failed =
           [this](const Group&, const Error& error) {
             if (leaving_) return;
             pipeline_->on_failed();
             callbacks_.on_failed(error);
           },
       .on_withdrawn = [this] { pipeline_->on_withdrawn(); },
       // If another helper locks these files, the other identities continue, and this one keeps waiting.
       .on_locked_out =
           [this](const Error& error) {
             log_.error(error.message, {{"event", "locked_out"}, {"hint", error.hint}});
             pipeline_->on_failed();
             callbacks_.on_failed(error);
           }},
      log_);
  if (!queue) return fail(queue.error());
  publish_queue_ = std::move(*queue);
  return {};
}

void FurtherIdentity::expect() {
  shared_.status->x509_svids.insert_or_assign(settings_.name, status_);
  pipeline_->expect();
}

Result<void> FurtherIdentity::begin(PublishQueue::Occasion occasion) {
  if (leaving_) return {};
  Consumers::Setting setting = shared_.consumers;
  setting.log = log_;
  auto consumers =
      Consumers::create(*loop_, settings_.config, std::move(setting), *status_, [this](int code) {
        consumers_done_ = true;
        exit_code_ = code;
        callbacks_.on_end();
      });
  if (!consumers) return fail(consumers.error());
  consumers_ = std::move(*consumers);
  begun_ = true;
  publish_queue_->start(occasion);
  pipeline_->withdraw_again();
  if (occasion == PublishQueue::Occasion::reload) publish_queue_->request(kIdentity);
  return {};
}

void FurtherIdentity::announce(const workload::X509Update& update) {
  if (!leaving_) pipeline_->announce(update);
}

void FurtherIdentity::receive(const workload::X509Update& update) {
  if (!leaving_) pipeline_->receive(update);
}

void FurtherIdentity::written(bool expected) {
  if (settings_.config.daemon_mode) {
    consumers_->changed({identity::Kind::x509});
  } else if (expected) {
    consumers_->run_once({identity::Kind::x509});
  }
  callbacks_.on_written(expected);
}

bool FurtherIdentity::fits(const IdentitySettings& settings) const {
  if (leaving_ || settings.rules.selection != settings_.rules.selection) return false;
  const auto plan = plan_of(settings.config);
  return plan && publisher_options(settings.config, *plan) == publisher_options(settings_.config, plan_);
}

void FurtherIdentity::reconfigure(const IdentitySettings& settings) {
  auto plan = plan_of(settings.config);
  if (!plan) return;  // fits() has checked it
  settings_ = settings;
  plan_ = *std::move(plan);
  pipeline_->reconfigured();
  pipeline_->set_rules(settings_.rules);
  if (!begun_) return;
  publish_queue_->request(kIdentity);
  if (auto good = consumers_->reconfigure(settings_.config); !good) {
    log_.error("The new hooks cannot be run", {{"error", good.error().message}});
  }
}

void FurtherIdentity::terminate() {
  leaving_ = true;
  if (consumers_ != nullptr) return consumers_->terminate(0);
  consumers_done_ = true;
}

void FurtherIdentity::finish() {
  publish_queue_->finish([this] {
    files_done_ = true;
    callbacks_.on_end();
  });
}

void FurtherIdentity::abandon() {
  publish_queue_->abandon();
  files_done_ = true;
}

void FurtherIdentity::child_changed() {
  if (consumers_ != nullptr) consumers_->child_changed();
}

}  // namespace spiffe::daemon
