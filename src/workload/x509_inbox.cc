#include "workload/x509_inbox.hh"

#include <utility>

#include "base/clock.hh"

namespace spiffe::workload {

void X509Inbox::receive(identity::X509Material material, const std::function<void()>& notify) {
  const auto message = std::make_shared<Message>();
  message->updates =
      X509Update::read(std::make_shared<identity::X509Material>(std::move(material)), rules_, previous_);
  change([&] { newest_ = message; }, notify);
  for (std::size_t i = 0; i < message->updates.size(); ++i) {
    X509Update& update = *message->updates[i];
    update.judge(wall_now());
    const auto& refusal = update.verdict().refusal;
    // A message that is merely not valid yet counts as well.
    if (!refusal || refusal->valid_from) previous_[i] = update.context();
    change([&] { ++message->judged; }, notify);
  }
}

void X509Inbox::change(const std::function<void()>& what, const std::function<void()>& notify) {
  bool notified = false;
  {
    const std::scoped_lock lock(mutex_);
    what();
    notified = std::exchange(notified_, true);
  }
  if (!notified) notify();
}

void X509Inbox::look(const std::weak_ptr<char>& alive, const Callbacks& callbacks) {
  for (;;) {
    std::shared_ptr<Message> message;
    bool begins = false;
    std::size_t judged = 0;
    {
      const std::scoped_lock lock(mutex_);
      notified_ = false;
      begins = taken_ == nullptr;
      if (begins) taken_ = std::exchange(newest_, nullptr);
      if (taken_ == nullptr) return;
      message = taken_;
      judged = message->judged;
      if (judged == message->updates.size()) taken_ = nullptr;
    }
    if (begins) {
      delivered_ = 0;
      callbacks.on_update(message->updates);
    }
    while (delivered_ < judged && !alive.expired()) {
      const std::size_t index = delivered_++;
      callbacks.on_judged(index, message->updates[index]);
    }
    if (alive.expired() || judged < message->updates.size()) return;
  }
}

}  // namespace spiffe::workload
