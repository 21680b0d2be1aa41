#include "workload/jwt_bundle_source.hh"

#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "workload.grpc.pb.h"
#include "workload/channel.hh"

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
            const auto stub = SpiffeWorkloadAPI::NewStub(open_channel(address));
            const auto reader = stub->FetchJWTBundles(&context, JWTBundlesRequest());
            JWTBundlesResponse message;
            while (reader->Read(&message)) {
              // Where one was waiting, its task is still queued and will take this one instead.
              if (!latest_.put(take_material(message))) continue;
              loop_.post([this, alive] {
                if (!alive.expired()) take_latest();
              });
            }
            const grpc::Status status = reader->Finish();
            return StreamEnd{static_cast<int>(status.error_code()), status.error_message()};
          },
          [this](const Lost& lost) { callbacks_.on_lost(lost); }) {}

void JwtBundleSource::take_latest() {
  const auto material = latest_.take();
  if (material == nullptr) return;
  if (stream_.good_message()) callbacks_.on_restored();
  callbacks_.on_update(std::move(*material));
}

}  // namespace spiffe::workload
