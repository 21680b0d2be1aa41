// A serialised Snapshot, shared by all streams.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

namespace spiffe::dev_agent {

enum class Topic { x509_svids, x509_bundles, jwt_bundles };
inline constexpr std::size_t kTopics = 3;

// Immutable once published.
struct State {
  struct Part {
    grpc::Slice bytes;
    grpc::ByteBuffer message;   // of `bytes`
    std::uint64_t version = 0;  // grows if streams of this topic must send it
  };
  std::uint64_t seq = 0;
  std::string serial;  // of the first SVID
  std::array<Part, kTopics> parts;

  [[nodiscard]] Part& part(Topic topic) { return parts[static_cast<std::size_t>(topic)]; }
  [[nodiscard]] const Part& part(Topic topic) const { return parts[static_cast<std::size_t>(topic)]; }
};

}  // namespace spiffe::dev_agent
