#include "workload/versions.hh"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

namespace spiffe::workload {

std::string grpc_version() {
  return grpc::Version();
}

std::string protobuf_version() {
  return google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
}

}  // namespace spiffe::workload
