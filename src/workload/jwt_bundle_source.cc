#include "workload/jwt_bundle_source.hh"

#include <utility>

#include "workload.pb.h"
#include "workload/message_stream.hh"

namespace spiffe::workload {

namespace {

std::unique_ptr<identity::JwtBundlesMaterial> take_material(JWTBundlesResponse& message) {
  auto material = std::make_unique<identity::JwtBundlesMaterial>();
  for (auto& [domain, jwks] : *message.mutable_bundles()) material->emplace(domain, std::move(jwks));
  return material;
}

}  // namespace

JwtBundleSource::JwtBundleSource(Loop& loop, Endpoint endpoint, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      stream_(loop, std::move(endpoint), reader(loop),
              [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

Stream::Body JwtBundleSource::reader(const Loop& loop) {
  auto notify = [this, alive = std::weak_ptr<char>(alive_), poster = loop.poster()] {
    poster.post([this, alive] {
      if (!alive.expired()) take_latest();
    });
  };
  return [inbox = inbox_, notify](const Endpoint& address, grpc::ClientContext& context) {
    MessageStream stream(address, "FetchJWTBundles", context);
    JWTBundlesResponse message;
    while (stream.read(message)) {
      // If a message was waiting, its task is still queued and will take this one instead.
      if (inbox->put(take_material(message))) notify();
    }
    return stream.finish();
  };
}

void JwtBundleSource::take_latest() {
  const auto material = inbox_->take();
  if (material == nullptr) return;
  if (stream_.good_message()) callbacks_.on_restored();
  callbacks_.on_update(std::move(*material));
}

}  // namespace spiffe::workload
