#include "daemon/identity_pipeline.hh"

#include <map>
#include <set>
#include <utility>

#include <fmt/ranges.h>

#include "daemon/settings.hh"
#include "output/formats.hh"
#include "output/password_file.hh"

namespace spiffe::daemon {

using identity::Kind;

IdentityPipeline::IdentityPipeline(Loop& loop, const config::Config& config, workload::X509Rules rules,
                                   const output::FilePlan& plan, health::Status& status, Further further,
                                   Callbacks callbacks)
    : config_(config),
      plan_(plan),
      status_(status),
      further_(std::move(further)),
      callbacks_(std::move(callbacks)),
      updates_(
          loop, std::move(rules), progress_level(config), status, [this] { on_accepted(); },
          [this](const identity::Refusal& refusal) { on_refused(refusal); }, further_.log),
      expiry_(loop),
      revoke_timer_(loop, [this] { revoke(); }) {}

health::Output* IdentityPipeline::output() {
  if (further_.status != nullptr) return &further_.status->output;
  return status_.x509 ? &*status_.x509 : nullptr;
}

health::Lifetimes& IdentityPipeline::lifetimes() {
  if (further_.status != nullptr) return *further_.status;
  return status_;
}

void IdentityPipeline::expect() {
  unwritten_ = wanted();
  if (further_.status == nullptr) {
    status_.x509.reset();
    if (unwritten_) status_.x509.emplace();
  }
  if (unwritten_) status_.of(Kind::x509);
}

void IdentityPipeline::adopt(const IdentityPipeline& other) {
  updates_.adopt(other.updates_);
  revoked_ = other.revoked_;
  refused_ = other.refused_;
}

void IdentityPipeline::on_refused(const identity::Refusal& refusal) {
  refused_ = true;
  if (further_.status != nullptr) {
    further_.status->not_offered = refusal.not_offered;
  } else if (refusal.not_offered && status_.x509) {
    // As in Go, this counts as a failed write.
    status_.x509->state = health::WriteState::failed;
  }
  callbacks_.dismiss();
  if (callbacks_.on_refused) callbacks_.on_refused();
}

void IdentityPipeline::announce(const workload::X509Update& update) {
  revoke_timer_.cancel();
  if (update.context() == nullptr || !wanted()) return;
  callbacks_.prepare([&] { return encode(update.context()); });
}

void IdentityPipeline::receive(const workload::X509Update& update) {
  updates_.receive(update);
}

void IdentityPipeline::lost(bool denied) {
  if (!denied) {
    revoke_timer_.cancel();
  } else if (config_.revoke == config::Revoke::remove && !revoked_ && !revoke_timer_.armed()) {
    // Also without a current identity: an earlier process may have left a key.
    revoke_timer_.after(config_.revoke_after);
  }
}

void IdentityPipeline::revoke() {
  revoked_ = true;
  if (auto* known = output(); known != nullptr) *known = {};
  withdraw_again();
}

void IdentityPipeline::withdraw_again() {
  if (revoked_ && wanted()) callbacks_.withdraw(plan_.names_with(output::Contents::key));
}

// A removed key is written again after the next accepted message; a refused message does not restore it.
void IdentityPipeline::on_accepted() {
  refused_ = false;
  if (further_.status != nullptr) further_.status->not_offered = false;
  if (std::exchange(revoked_, false)) {
    further_.log.info("The agent issues an identity again: the private key is written again");
  }
  callbacks_.confirm();
}

std::optional<Result<Content>> IdentityPipeline::render() const {
  if (updates_.current() == nullptr || !wanted() || revoked_) return std::nullopt;
  return encode(updates_.current());
}

Result<Content> IdentityPipeline::encode(const std::shared_ptr<const identity::X509Context>& identity) const {
  output::Source source{.identity = *identity, .now = wall_now()};
  Result<SecretBytes> password;
  if (const std::string& file = config_.x509.keystore_password_file;
      !file.empty() && output::any_has(config_.x509.names, &output::Format::password)) {
    // Read each time, so that a changed password takes effect with the next check, within 10 s.
    password = output::read_password_file(file);
    if (!password) return fail(spiffe::context("keystore_password_file", password.error()));
    source.keystore_password = &*password;
  }
  auto files = plan_.encode(source);
  if (!files) return fail(files.error());
  return Content{*std::move(files), identity};
}

void IdentityPipeline::on_disk(output::Change change,
                               const std::shared_ptr<const identity::X509Context>& identity) {
  // The identity was discarded in the meantime.
  if (updates_.current() == nullptr) return;
  const log::Batch after_the_signal;
  on_disk_ = identity;
  const bool adapted = std::exchange(to_adapt_, false);
  log::Fields fields = {{"spiffe_id", on_disk_->svid.id.str()},
                        {"serial", on_disk_->svid.leaf().serial()},
                        {"not_after", rfc3339(on_disk_->not_after())},
                        {"event", change == output::Change::published   ? "svid_published"
                                  : change == output::Change::unchanged ? "svid_unchanged"
                                  : adapted                             ? "files_adapted"
                                                                        : "files_repaired"}};
  if (auto* known = output(); known != nullptr) *known = {health::WriteState::written, on_disk_->not_after()};
  watch_lifetimes();
  if (change == output::Change::repaired && adapted) {
    further_.log.info("Files on disk are adapted to the configuration", fields);
  } else if (change == output::Change::repaired) {
    further_.log.warning("Files on disk were changed by others, and repaired", fields);
  }
  if (change != output::Change::published && !unwritten_) {
    further_.log.debug("X.509 certificates unchanged", fields);
    return;
  }
  ++status_.of(Kind::x509).publications;
  further_.log.write(progress_level(config_), "X.509 certificates updated", fields);
  callbacks_.on_written(std::exchange(unwritten_, false));
}

void IdentityPipeline::watch_lifetimes() {
  std::map<std::string, WallTime> ends;
  std::set<std::string> names;
  const auto watch = [&](const std::string& name, const identity::X509Svid& svid, WallTime end) {
    const std::string id = svid.id.str();
    expiry_.watch(name, {kX509Svid, {"spiffe_id", id}}, svid.leaf().not_before(), end);
    ends.emplace(id, end);
    names.insert(name);
  };
  watch("", on_disk_->svid, on_disk_->not_after());
  for (const identity::FurtherSvid& each : on_disk_->further) {
    watch(std::to_string(each.number), each.svid, each.svid.not_after());
  }
  expiry_.forget(kX509Svid, names);
  lifetimes().svid_not_after = std::move(ends);
  lifetimes().bundle_not_after = {{on_disk_->bundle.trust_domain.name(), on_disk_->bundle.not_after()}};
}

void IdentityPipeline::on_failed() {
  auto* known = output();
  if (known == nullptr) return;
  known->state = health::WriteState::failed;
  ++status_.of(Kind::x509).write_failures;
}

void IdentityPipeline::on_withdrawn() const {
  further_.log.warning(
      "No identity for " + human(config_.revoke_after) + ": the private key is removed",
      {{"event", "revoked"},
       {"path", fmt::format("{}", fmt::join(plan_.names_with(output::Contents::key), ", "))}});
}

void IdentityPipeline::reconfigured() {
  to_adapt_ = true;
  callbacks_.dismiss();  // rendered for the previous configuration
  if (config_.revoke != config::Revoke::remove) revoke_timer_.cancel();
}

void IdentityPipeline::forget() {
  lifetimes().svid_not_after.clear();
  lifetimes().bundle_not_after.clear();
  revoke_timer_.cancel();
  expiry_.forget(kX509Svid);
}

std::string IdentityPipeline::described() const {
  return on_disk_->svid.id.str() + ", valid until " + rfc3339(on_disk_->not_after());
}

}  // namespace spiffe::daemon
