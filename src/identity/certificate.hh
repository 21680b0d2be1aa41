// A parsed X.509 certificate together with the DER it came from. Pure.
//
// OpenSSL 3.0 spends nine tenths of d2i_X509 on decoding the public key (0.1 ms), which few certificates of
// a message need. So parse() reads everything but the key, and x509() decodes the key on its first call.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/result.hh"
#include "identity/x509_material.hh"

namespace spiffe::identity {

// Immutable; copies share the parsed form. Any thread.
class Certificate {
 public:
  // Whether the parsed form stays in memory beside the DER. Bundles of thousands of domains keep the DER
  // only.
  enum class Keep { parsed, der_only };

  // Exactly one certificate in DER; trailing bytes are an error.
  static Result<Certificate> parse(std::span<const std::byte> der, Keep keep = Keep::parsed);
  // Concatenated certificates, with no bytes between or after them; an empty span gives an empty list. A
  // certificate that is in `known`, byte for byte, is shared and not parsed again.
  static Result<std::vector<Certificate>> parse_concatenated(std::span<const std::byte> der,
                                                             Keep keep = Keep::parsed,
                                                             std::span<const Certificate> known = {});
  // The same in a hundredth of the time: a certificate that is not known is only cut out, and is parsed when
  // more than der() is needed. readable() reports whether it is a certificate. If it is not, x509() and
  // x509_without_key() are null, and not_before() and not_after() leave no time at which it is valid.
  static Result<std::vector<Certificate>> split_concatenated(std::span<const std::byte> der,
                                                             std::span<const Certificate> known = {});
  [[nodiscard]] Result<void> readable() const;

  [[nodiscard]] const Bytes& der() const;
  // Complete; owned by this object. Null if OpenSSL cannot decode the public key.
  [[nodiscard]] X509* x509() const;
  // As x509(), but X509_get0_pubkey may fail on it. Cheap if the parsed form was kept.
  [[nodiscard]] X509* x509_without_key() const;
  [[nodiscard]] WallTime not_before() const;
  [[nodiscard]] WallTime not_after() const;
  [[nodiscard]] std::string serial() const;  // as "openssl x509 -serial" prints it: 0A1B
  // The fingerprint: SHA-256 of the DER in lower-case hex without colons.
  [[nodiscard]] std::string sha256() const;
  [[nodiscard]] std::string subject() const;  // RFC 2253, escaped
  [[nodiscard]] std::string pem() const;      // with its final newline
  [[nodiscard]] bool operator==(const Certificate& other) const {
    return state_ == other.state_ || der() == other.der();
  }

 private:
  struct Content;
  struct State;
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static Certificate cut(std::span<const std::byte> der, Keep keep);
  static Result<Content> read(const Bytes& der);
  [[nodiscard]] const Content& content() const;
  std::shared_ptr<const State> state_;
};

// The earliest NotAfter; WallTime::max() if there is no certificate.
[[nodiscard]] WallTime earliest_end(std::span<const Certificate> certificates);

}  // namespace spiffe::identity
