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
    : loop_(loop),
      callbacks_(std::move(callbacks)),
      stream_(
          loop, std::move(endpoint),
          [this, alive = std::weak_ptr<char>(alive_)](const Endpoint& address, grpc::ClientContext& context) {
            MessageStream stream(address, "FetchJWTBundles", context);
            JWTBundlesResponse message;
            while (stream.read(message)) {
              // Where one was waiting, its task is still queued and will take this one instead.
              if (!latest_.put(take_material(message))) continue;
              loop_.post([this, alive] {
                if (!alive.expired()) take_latest();
              });
            }
            return stream.finish();
          },
          [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

void JwtBundleSource::take_latest() {
  const auto material = latest_.take();
  if (material == nullptr) return;
  if (stream_.good_message()) callbacks_.on_restored();
  callbacks_.on_update(std::move(*material));
}

}  // namespace spiffe::workload
