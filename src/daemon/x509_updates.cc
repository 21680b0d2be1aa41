#include "daemon/x509_updates.hh"

#include <utility>

#include "base/log.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto kLookAgain = 30s;
constexpr const char* kUpdates = "updates";
}  // namespace

X509Updates::X509Updates(Loop& loop, workload::X509Rules rules, log::Level progress, health::Status& status,
                         std::function<void()> on_candidate)
    : rules_(std::move(rules)),
      progress_(progress),
      status_(status),
      on_candidate_(std::move(on_candidate)),
      troubles_(loop),
      valid_timer_(loop, [this] { look_again(); }),
      again_timer_(loop, [this] { look_again(); }) {}

void X509Updates::set_rules(workload::X509Rules rules) {
  const workload::X509Rules before = std::exchange(rules_, std::move(rules));
  if (before.selection == rules_.selection) return;
  current_.reset();
  candidate_.reset();
  early_.reset();
  troubles_.forget(kUpdates);
}

void X509Updates::receive(std::shared_ptr<workload::X509Update> update) {
  early_.reset();
  valid_timer_.cancel();
  again_timer_.cancel();
  candidate_ = std::move(update);
  if (candidate_->context() == nullptr) {
    settle();
  } else {
    on_candidate_();
  }
}

void X509Updates::look_again() {
  if (!early_) return;
  const auto update =
      std::make_shared<workload::X509Update>(*std::exchange(early_, std::nullopt), rules_, current());
  update->judge(wall_now());
  receive(update);
}

std::shared_ptr<const identity::X509Context> X509Updates::newest() const {
  return candidate_ != nullptr ? candidate_->context() : current_;
}

bool X509Updates::settle() {
  if (candidate_ == nullptr) return true;
  const auto update = std::exchange(candidate_, nullptr);
  const auto& refusal = update->verdict().refusal;
  if (!refusal) {
    accept(*update);
    return true;
  }
  refuse(*refusal);
  if (refusal->valid_from) {
    early_ = update->take_material();
    valid_timer_.at(*refusal->valid_from);
    again_timer_.after(kLookAgain);
  }
  return false;
}

void X509Updates::accept(const workload::X509Update& update) {
  const identity::X509Context& context = *update.context();
  troubles_.ended(kUpdates, "The agent's updates are accepted again",
                  {{"event", "update_accepted"}, {"kind", health::word_of(health::Kind::x509)}});
  auto& counted = status_.of(health::Kind::x509);
  ++counted.count(health::UpdateResult::accepted);
  counted.last = wall_now();
  log::write(progress_, "Received update", {{"spiffe_id", context.svid.id.str()}});
  log_findings(context, update.verdict());
  warn_of_choice(context);
  current_ = update.context();
}

void X509Updates::refuse(const identity::Refusal& refusal) {
  ++status_.of(health::Kind::x509)
        .count(refusal.valid_from ? health::UpdateResult::not_yet_valid : health::UpdateResult::refused);
  // As in Go: that is a file that cannot be written.
  if (refusal.not_offered && status_.x509) status_.x509->state = health::WriteState::failed;
  log::Fields fields = {{"event", "update_refused"},
                        {"kind", health::word_of(health::Kind::x509)},
                        {"error", refusal.error.message}};
  if (!refusal.spiffe_id.empty()) fields.push_back({"spiffe_id", refusal.spiffe_id});
  if (!refusal.error.hint.empty()) fields.push_back({"hint", refusal.error.hint});
  troubles_.failed(kUpdates, refusal.error.message,
                   {log::Level::error, "Update refused, the previous files stay", std::move(fields)});
}

void X509Updates::log_findings(const identity::X509Context& context, const identity::Verdict& verdict) {
  std::set<std::string> texts;
  for (const auto* findings : {&context.findings, &verdict.findings}) {
    for (const auto& finding : *findings) {
      std::string text = finding.subject + ": " + finding.message;
      const bool known = known_findings_.contains(text);
      if (finding.federated_bundle) ++status_.federated_bundles_refused;
      log::write(known ? log::Level::debug : log::Level::warning, finding.message,
                 {{finding.federated_bundle ? "trust_domain" : "spiffe_id", finding.subject},
                  {"event", finding.federated_bundle ? "bundle_refused" : "svid_finding"}});
      texts.insert(std::move(text));
    }
  }
  known_findings_ = std::move(texts);
}

void X509Updates::warn_of_choice(const identity::X509Context& context) {
  const bool selected = !rules_.selection.hint.empty() || !rules_.selection.spiffe_id.empty();
  if (choice_warned_ || selected || context.svids_received < 2) return;
  choice_warned_ = true;
  log::warning(
      "The agent offers several identities and none is selected: the first is used, and which one is "
      "first may change. Set hint or spiffe_id",
      {{"spiffe_id", context.svid.id.str()}, {"svids", std::to_string(context.svids_received)}});
}

}  // namespace spiffe::daemon
