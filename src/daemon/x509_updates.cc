#include "daemon/x509_updates.hh"

#include <utility>

#include "base/log.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto kLookAgain = 30s;
}

X509Updates::X509Updates(Loop& loop, identity::X509Selection selection, bool verify,
                         std::function<void()> on_accepted)
    : selection_(std::move(selection)),
      verify_(verify),
      on_accepted_(std::move(on_accepted)),
      valid_timer_(loop, [this] { look_again(); }),
      again_timer_(loop, [this] { look_again(); }) {}

void X509Updates::receive(identity::X509Material material) {
  early_.reset();
  valid_timer_.cancel();
  again_timer_.cancel();
  consider(std::move(material));
}

void X509Updates::look_again() {
  if (!early_) return;
  consider(std::move(*std::exchange(early_, std::nullopt)));
}

void X509Updates::consider(identity::X509Material material) {
  auto context = identity::X509Context::from(material, selection_, current(), wall_now(), verify_);
  if (context) {
    accept(std::move(*context));
    return;
  }
  refuse(context.error());
  if (context.error().valid_from) {
    early_ = std::move(material);
    valid_timer_.at(*context.error().valid_from);
    again_timer_.after(kLookAgain);
  }
}

void X509Updates::accept(identity::X509Context context) {
  last_refusal_.clear();
  log::info("Received update", {{"spiffe_id", context.svid.id.str()}});
  log_findings(context);
  warn_of_choice(context);
  current_ = std::move(context);
  on_accepted_();
}

void X509Updates::refuse(const identity::Refusal& refusal) {
  const bool again = std::exchange(last_refusal_, refusal.error.message) == refusal.error.message;
  log::Fields fields = {{"event", "update_refused"}, {"error", refusal.error.message}};
  if (!refusal.spiffe_id.empty()) fields.push_back({"spiffe_id", refusal.spiffe_id});
  if (!refusal.error.hint.empty()) fields.push_back({"hint", refusal.error.hint});
  log::write(again ? log::Level::debug : log::Level::error, "Update refused, the previous files stay",
             fields);
}

void X509Updates::log_findings(const identity::X509Context& context) {
  std::set<std::string> texts;
  for (const auto& finding : context.findings) {
    std::string text = finding.subject + ": " + finding.message;
    const bool known = known_findings_.contains(text);
    log::write(known ? log::Level::debug : log::Level::warning, finding.message,
               {{finding.federated_bundle ? "trust_domain" : "spiffe_id", finding.subject},
                {"event", finding.federated_bundle ? "bundle_refused" : "svid_finding"}});
    texts.insert(std::move(text));
  }
  known_findings_ = std::move(texts);
}

void X509Updates::warn_of_choice(const identity::X509Context& context) {
  const bool selected = !selection_.hint.empty() || !selection_.spiffe_id.empty();
  if (choice_warned_ || selected || context.svids_received < 2) return;
  choice_warned_ = true;
  log::warning(
      "The agent offers several identities and none is selected: the first is used, and which one is "
      "first may change. Set hint or spiffe_id",
      {{"spiffe_id", context.svid.id.str()}, {"svids", std::to_string(context.svids_received)}});
}

}  // namespace spiffe::daemon
