#include "daemon/further_identities.hh"

#include <algorithm>
#include <utility>

#include "base/log.hh"

namespace spiffe::daemon {

Result<std::unique_ptr<FurtherIdentity>> FurtherIdentities::make(const IdentitySettings& settings) {
  return FurtherIdentity::create(
      loop_, settings, shared_,
      {.on_written = [this](bool expected) { callbacks_.on_written(expected); },
       .on_failed = [this](const Error& error) { callbacks_.on_failed(error); },
       .on_refused = [this] { callbacks_.on_refused(); },
       // Posted, because the caller is the object that has ended.
       .on_end = [this, name = settings.name] { loop_.post([this, name] { change_over(name); }); }});
}

auto FurtherIdentities::prepare(std::vector<IdentitySettings> settings) -> Result<Prepared> {
  Prepared out{.settings = std::move(settings), .made = {}};
  for (const IdentitySettings& each : out.settings) {
    const auto slot = slots_.find(each.name);
    const bool stays = slot != slots_.end() && !slot->second.leaving && slot->second.present->fits(each);
    if (stays) continue;
    auto made = make(each);
    if (!made) return fail(made.error());
    out.made.emplace(each.name, std::move(*made));
  }
  return out;
}

void FurtherIdentities::apply(Prepared prepared, PublishQueue::Occasion occasion) {
  order_.clear();
  for (const IdentitySettings& settings : prepared.settings) order_.push_back(settings.name);
  for (auto& [name, slot] : slots_) {
    if (std::ranges::find(order_, name) != order_.end()) continue;
    // Its files stay, but no longer count for the probes.
    shared_.status->x509_svids.erase(name);
    slot.next.reset();
    leave(slot);
  }
  for (const IdentitySettings& settings : prepared.settings) {
    const auto made = prepared.made.find(settings.name);
    if (made != prepared.made.end()) {
      put(std::move(made->second), occasion);
    } else if (FurtherIdentity& present = *slots_.at(settings.name).present; present.settings() != settings) {
      present.reconfigure(settings);
    }
  }
}

void FurtherIdentities::put(std::unique_ptr<FurtherIdentity> made, PublishQueue::Occasion occasion) {
  Slot& slot = slots_[made->settings().name];
  made->expect();
  if (slot.present == nullptr) {
    slot.present = std::move(made);
    if (occasion == PublishQueue::Occasion::reload) begin(*slot.present);
    return;
  }
  const FurtherIdentity& before = slot.newest();
  if (before.settings().rules.reads_as(made->settings().rules)) made->adopt(before);
  slot.next = std::move(made);
  leave(slot);
}

void FurtherIdentities::leave(Slot& slot) {
  if (std::exchange(slot.leaving, true)) return;
  slot.present->terminate();
  slot.present->finish();
}

Result<void> FurtherIdentities::start() {
  for (const std::string& name : order_) {
    if (auto good = slots_.at(name).present->begin(PublishQueue::Occasion::launch); !good) return good;
  }
  return {};
}

void FurtherIdentities::begin(FurtherIdentity& identity) {
  if (auto good = identity.begin(PublishQueue::Occasion::reload); !good) {
    log::error("The new hooks cannot be run",
               {{"dir", identity.settings().name}, {"error", good.error().message}});
  }
}

void FurtherIdentities::change_over(const std::string& name) {
  const auto found = slots_.find(name);
  if (!ending_ && found != slots_.end() && found->second.leaving && found->second.present->ended()) {
    Slot& slot = found->second;
    if (slot.next == nullptr) {
      slots_.erase(found);
    } else {
      slot.present = std::move(slot.next);
      slot.leaving = false;
      begin(*slot.present);
    }
  }
  callbacks_.on_end();
}

FurtherIdentity* FurtherIdentities::at(std::size_t index) {
  return index < order_.size() ? &slots_.at(order_[index]).newest() : nullptr;
}

void FurtherIdentities::announce(std::size_t index, const workload::X509Update& update) {
  if (auto* identity = at(index); identity != nullptr) identity->announce(update);
}

void FurtherIdentities::receive(std::size_t index, const workload::X509Update& update) {
  if (auto* identity = at(index); identity != nullptr) identity->receive(update);
}

void FurtherIdentities::lost(bool denied) {
  for (auto& [name, slot] : slots_) slot.newest().lost(denied);
}

template <class Predicate>
bool FurtherIdentities::any(Predicate predicate) const {
  return std::ranges::any_of(order_,
                             [&](const std::string& name) { return predicate(slots_.at(name).newest()); });
}

bool FurtherIdentities::unwritten() const {
  return any([](const FurtherIdentity& each) { return each.pipeline().unwritten(); });
}

bool FurtherIdentities::awaited() const {
  return any(
      [](const FurtherIdentity& each) { return each.pipeline().unwritten() && !each.pipeline().refused(); });
}

const identity::X509Context* FurtherIdentities::current() const {
  const identity::X509Context* found = nullptr;
  (void)any([&found](const FurtherIdentity& each) {
    found = each.pipeline().current();
    return found != nullptr;
  });
  return found;
}

bool FurtherIdentities::done() const {
  return !any([](const FurtherIdentity& each) { return !each.done(); });
}

int FurtherIdentities::exit_code() const {
  int code = 0;
  (void)any([&code](const FurtherIdentity& each) {
    code = std::max(code, each.exit_code());
    return false;
  });
  return code;
}

void FurtherIdentities::terminate() {
  ending_ = true;
  for (auto& [name, slot] : slots_) slot.present->terminate();
}

void FurtherIdentities::finish() {
  for (auto& [name, slot] : slots_) slot.present->finish();
}

void FurtherIdentities::abandon() {
  for (auto& [name, slot] : slots_) slot.present->abandon();
}

bool FurtherIdentities::consumers_ended() const {
  return std::ranges::all_of(slots_, [](const auto& each) { return each.second.present->consumers_ended(); });
}

bool FurtherIdentities::files_ended() const {
  return std::ranges::all_of(slots_, [](const auto& each) { return each.second.present->files_ended(); });
}

void FurtherIdentities::child_changed() {
  for (auto& [name, slot] : slots_) slot.present->child_changed();
}

}  // namespace spiffe::daemon
