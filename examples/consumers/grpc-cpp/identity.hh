// TLS credentials of gRPC from the files of spiffe-helper. Both sides present their certificate, verify the
// other's, and accept one SPIFFE ID.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace tls = grpc::experimental;

struct Identity {
  std::string directory;  // where spiffe-helper writes
  std::string accept;     // the peer's SPIFFE ID
};

// gRPC verifies the chain before this. Its default verifier compares the host name, which few SVIDs have.
class SpiffeIdVerifier : public tls::ExternalCertificateVerifier {
 public:
  explicit SpiffeIdVerifier(std::string accept) : accept_(std::move(accept)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)> /*callback*/,
              grpc::Status* status) override {
    const auto uris = request->uri_names();
    // An X.509-SVID has exactly one URI.
    if (uris.size() != 1 || uris.front() != accept_) {
      *status = {grpc::StatusCode::UNAUTHENTICATED, "the peer is not " + accept_};
    }
    return true;  // done
  }

  void Cancel(tls::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  std::string accept_;
};

// gRPC reads the files again every second, its shortest interval; new handshakes use what it has read.
inline std::shared_ptr<tls::CertificateProviderInterface> watched(const std::string& directory) {
  return std::make_shared<tls::FileWatcherCertificateProvider>(
      directory + "/svid_key.pem", directory + "/svid.pem", directory + "/svid_bundle.pem", 1);
}

template <class Options>
void set_peer(Options& options, const Identity& identity) {
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<SpiffeIdVerifier>(identity.accept));
}

inline std::shared_ptr<grpc::ServerCredentials> server_credentials(const Identity& identity) {
  tls::TlsServerCredentialsOptions options(watched(identity.directory));
  set_peer(options, identity);
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return tls::TlsServerCredentials(options);
}

inline std::shared_ptr<grpc::ChannelCredentials> client_credentials(const Identity& identity) {
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(watched(identity.directory));
  set_peer(options, identity);
  options.set_check_call_host(false);
  return tls::TlsCredentials(options);
}
