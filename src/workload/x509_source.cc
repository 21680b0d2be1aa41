#include "workload/x509_source.hh"

#include <span>
#include <string>
#include <utility>

#include "base/secret.hh"
#include "workload.pb.h"
#include "workload/message_stream.hh"

namespace spiffe::workload {

namespace {

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

X509Source::X509Source(Loop& loop, Endpoint endpoint, std::vector<X509Rules> rules, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      inbox_(std::make_shared<X509Inbox>(std::move(rules))),
      stream_(loop, std::move(endpoint), reader(loop),
              [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

Stream::Body X509Source::reader(const Loop& loop) {
  auto notify = [this, alive = std::weak_ptr<char>(alive_), poster = loop.poster()] {
    poster.post([this, alive] {
      if (!alive.expired()) look();
    });
  };
  return [inbox = inbox_, notify](const Endpoint& address, grpc::ClientContext& context) {
    MessageStream stream(address, "FetchX509SVID", context);
    X509SVIDResponse message;
    while (stream.read(message)) {
      inbox->receive(take_material(message), notify);
    }
    return stream.finish();
  };
}

void X509Source::look() {
  const auto inbox = inbox_;  // a callback may destroy us
  inbox->look(alive_, {.on_update =
                           [this](const Updates& updates) {
                             const std::weak_ptr<char> alive = alive_;
                             if (stream_.good_message()) callbacks_.on_restored();
                             if (callbacks_.on_update && !alive.expired()) callbacks_.on_update(updates);
                           },
                       .on_judged = callbacks_.on_judged});
}

}  // namespace spiffe::workload
