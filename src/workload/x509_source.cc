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

X509Source::X509Source(Loop& loop, Endpoint endpoint, X509Rules rules, Callbacks callbacks)
    : loop_(loop),
      rules_(std::move(rules)),
      callbacks_(std::move(callbacks)),
      stream_(
          loop, std::move(endpoint),
          [this, alive = std::weak_ptr<char>(alive_)](const Endpoint& address, grpc::ClientContext& context) {
            MessageStream stream(address, "FetchX509SVID", context);
            X509SVIDResponse message;
            while (stream.read(message)) receive(take_material(message), alive);
            return stream.finish();
          },
          [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

void X509Source::receive(identity::X509Material material, const std::weak_ptr<char>& alive) {
  const auto update = std::make_shared<X509Update>(std::move(material), rules_, previous_.get());
  // Where one was waiting, its task is still queued and will take this one instead.
  if (latest_.put(std::make_unique<std::shared_ptr<X509Update>>(update))) {
    loop_.post([this, alive] {
      if (!alive.expired()) take_latest();
    });
  }
  update->judge(wall_now());
  const auto& refusal = update->verdict().refusal;
  // One that is only early will do.
  if (!refusal || refusal->valid_from) previous_ = update->context();
}

void X509Source::take_latest() {
  const auto update = latest_.take();
  if (update == nullptr) return;
  if (stream_.good_message()) callbacks_.on_restored();
  callbacks_.on_update(std::move(*update));
}

}  // namespace spiffe::workload
