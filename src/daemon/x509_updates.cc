#include "daemon/x509_updates.hh"

#include <utility>

#include "base/log.hh"
#include "daemon/bundle_changes.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto kLookAgain = 30s;
constexpr const char* kUpdates = "updates";
}  // namespace

X509Updates::X509Updates(Loop& loop, workload::X509Rules rules, log::Level progress, health::Status& status,
                         std::function<void()> on_accepted, OnRefused on_refused, log::Logger log)
    : rules_(std::move(rules)),
      progress_(progress),
      status_(status),
      on_accepted_(std::move(on_accepted)),
      on_refused_(std::move(on_refused)),
      log_(std::move(log)),
      troubles_(loop),
      valid_timer_(loop, [this] { look_again(); }),
      again_timer_(loop, [this] { look_again(); }) {}

void X509Updates::set_rules(workload::X509Rules rules) {
  const workload::X509Rules before = std::exchange(rules_, std::move(rules));
  if (before.reads_as(rules_)) return;
  current_.reset();
  early_.reset();
  troubles_.forget(kUpdates);
}

void X509Updates::receive(const workload::X509Update& update) {
  early_.reset();
  valid_timer_.cancel();
  again_timer_.cancel();
  const auto& refusal = update.verdict().refusal;
  if (!refusal) {
    accept(update);
    if (const auto from = current_->further_from) {
      early_ = update.material();
      valid_timer_.at(*from);
    }
    on_accepted_();
    return;
  }
  refuse(*refusal);
  if (refusal->valid_from) {
    early_ = update.material();
    valid_timer_.at(*refusal->valid_from);
    again_timer_.after(kLookAgain);
  }
}

void X509Updates::look_again() {
  if (!early_) return;
  workload::X509Update update(std::exchange(early_, nullptr), rules_, current_.get());
  update.judge(wall_now());
  receive(update);
}

void X509Updates::accept(const workload::X509Update& update) {
  const identity::X509Context& context = *update.context();
  troubles_.ended(
      kUpdates, "The agent's updates are accepted again",
      log_.with({{"event", "update_accepted"}, {"kind", identity::word_of(identity::Kind::x509)}}));
  auto& counted = status_.of(identity::Kind::x509);
  ++counted.count(health::UpdateResult::accepted);
  counted.last = wall_now();
  log_.write(progress_, "Received update", {{"spiffe_id", context.svid.id.str()}});
  log_findings(context, update.verdict());
  log_bundle_changes(context);
  warn_of_choice(context);
  current_ = update.context();
}

void X509Updates::refuse(const identity::Refusal& refusal) {
  ++status_.of(identity::Kind::x509)
        .count(refusal.valid_from ? health::UpdateResult::not_yet_valid : health::UpdateResult::refused);
  log::Fields fields = log_.with({{"event", "update_refused"},
                                  {"kind", identity::word_of(identity::Kind::x509)},
                                  {"error", refusal.error.message}});
  if (!refusal.spiffe_id.empty()) fields.push_back({"spiffe_id", refusal.spiffe_id});
  if (!refusal.error.hint.empty()) fields.push_back({"hint", refusal.error.hint});
  troubles_.failed(kUpdates, refusal.error.message,
                   {log::Level::error, "Update refused, the previous files stay", std::move(fields)});
  if (on_refused_) on_refused_(refusal);
}

void X509Updates::log_findings(const identity::X509Context& context, const identity::Verdict& verdict) {
  std::set<std::string> texts;
  for (const auto* findings : {&context.findings, &verdict.findings}) {
    for (const auto& finding : *findings) {
      std::string text = finding.subject + ": " + finding.message;
      const bool known = known_findings_.contains(text);
      if (finding.federated_bundle) ++status_.federated_bundles_refused;
      log_.write(known ? log::Level::debug : log::Level::warning, finding.message,
                 {{finding.federated_bundle ? "trust_domain" : "spiffe_id", finding.subject},
                  {"event", finding.federated_bundle ? "bundle_refused" : "svid_finding"}});
      texts.insert(std::move(text));
    }
  }
  known_findings_ = std::move(texts);
}

void X509Updates::log_bundle_changes(const identity::X509Context& context) {
  const BundleChanges changes = BundleChanges::between(current_.get(), context);
  const char* message = current_ == nullptr ? "Trust bundle received" : "Trust bundle changed";
  for (const log::Fields& fields : changes.lines) log_.write(progress_, message, fields);
  if (changes.left_out == 0) return;
  log_.write(
      progress_, "The bundles of more trust domains changed",
      {{"event", "bundle_changed"}, {"change", "more"}, {"trust_domains", std::to_string(changes.left_out)}});
}

void X509Updates::warn_of_choice(const identity::X509Context& context) {
  const bool selected = !rules_.selection.hint.empty() || !rules_.selection.spiffe_id.empty();
  const bool prefix = rules_.selection.spiffe_id.ends_with('*');
  if (choice_warned_ || (selected && !prefix)) return;
  const std::size_t choice = prefix ? context.matching : context.svids_received;
  if (choice < 2) return;
  choice_warned_ = true;
  const log::Fields fields = {{"spiffe_id", context.svid.id.str()}, {"svids", std::to_string(choice)}};
  if (prefix) {
    log_.warning(
        "Several of the agent's identities match spiffe_id: the first is used, and which one is "
        "first may change",
        fields);
    return;
  }
  log_.warning(
      "The agent offers several identities and none is selected: the first is used, and which one is "
      "first may change. Set hint or spiffe_id",
      fields);
}

}  // namespace spiffe::daemon
