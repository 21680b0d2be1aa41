#include "workload/x509_source.hh"

#include <span>
#include <string>
#include <utility>

#include "base/secret.hh"
#include "workload.pb.h"
#include "workload/latest.hh"
#include "workload/message_stream.hh"

namespace spiffe::workload {

namespace {

constexpr std::size_t kLarge = std::size_t{64} * 1024;  // what takes longer to judge than to hand over

identity::Bytes to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Leaves no key behind in `message`.
identity::X509Material take_material(X509SVIDResponse& message) {
  identity::X509Material material;
  material.svids.reserve(static_cast<std::size_t>(message.svids_size()));
  for (X509SVID& svid : *message.mutable_svids()) {
    std::string& key = *svid.mutable_x509_svid_key();
    material.svids.push_back({.spiffe_id = std::move(*svid.mutable_spiffe_id()),
                              .certificates = to_bytes(svid.x509_svid()),
                              .key = SecretBytes(std::string_view(key)),
                              .bundle = to_bytes(svid.bundle()),
                              .hint = std::move(*svid.mutable_hint())});
    cleanse(key.data(), key.size());
  }
  for (const std::string& crl : message.crl()) material.crls.push_back(to_bytes(crl));
  for (const auto& [domain, bundle] : message.federated_bundles()) {
    material.federated_bundles.emplace(domain, to_bytes(bundle));
  }
  return material;
}

}  // namespace

// Between the stream's thread, which may outlive the source, and the loop.
struct X509Source::Inbox {
  X509Rules rules;
  // What the last good message said; the stream's thread alone uses it.
  std::shared_ptr<const identity::X509Context> previous = nullptr;
  Latest<std::shared_ptr<X509Update>> latest = {};

  // `notify` is called where the loop must be told. A `large` message is judged first: the loop prepares
  // files while a small one is, then waits for the verdict.
  void receive(identity::X509Material material, bool large, const std::function<void()>& notify) {
    const auto update = std::make_shared<X509Update>(std::move(material), rules, previous.get());
    if (large) update->judge(wall_now());
    // Where one was waiting, its task is still queued and will take this one instead.
    if (latest.put(std::make_unique<std::shared_ptr<X509Update>>(update))) notify();
    if (!large) update->judge(wall_now());
    const auto& refusal = update->verdict().refusal;
    // One that is only early will do.
    if (!refusal || refusal->valid_from) previous = update->context();
  }
};

X509Source::X509Source(Loop& loop, Endpoint endpoint, X509Rules rules, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      inbox_(std::make_shared<Inbox>(std::move(rules))),
      stream_(loop, std::move(endpoint), reader(loop),
              [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

Stream::Body X509Source::reader(const Loop& loop) {
  auto notify = [this, alive = std::weak_ptr<char>(alive_), poster = loop.poster()] {
    poster.post([this, alive] {
      if (!alive.expired()) take_latest();
    });
  };
  return [inbox = inbox_, notify](const Endpoint& address, grpc::ClientContext& context) {
    MessageStream stream(address, "FetchX509SVID", context);
    X509SVIDResponse message;
    while (stream.read(message)) {
      const bool large = message.ByteSizeLong() > kLarge;
      inbox->receive(take_material(message), large, notify);
    }
    return stream.finish();
  };
}

void X509Source::take_latest() {
  const auto update = inbox_->latest.take();
  if (update == nullptr) return;
  if (stream_.good_message()) callbacks_.on_restored();
  callbacks_.on_update(std::move(*update));
}

}  // namespace spiffe::workload
