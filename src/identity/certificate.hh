// A parsed X.509 certificate together with the DER it came from. Pure.
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

// Immutable; copies share the parsed form.
class Certificate {
 public:
  // Exactly one certificate: trailing bytes are an error (rule 23).
  static Result<Certificate> parse(std::span<const std::byte> der);
  // One certificate after the other without anything between or behind; an empty span gives an empty list.
  static Result<std::vector<Certificate>> parse_concatenated(std::span<const std::byte> der);

  [[nodiscard]] const Bytes& der() const { return *der_; }
  [[nodiscard]] X509* x509() const { return x509_.get(); }  // owned by this object
  [[nodiscard]] WallTime not_before() const;
  [[nodiscard]] WallTime not_after() const;
  [[nodiscard]] std::string serial() const;   // decimal
  [[nodiscard]] std::string subject() const;  // RFC 2253, escaped
  [[nodiscard]] std::string pem() const;      // with its final newline
  [[nodiscard]] bool operator==(const Certificate& other) const { return *der_ == *other.der_; }

 private:
  Certificate() = default;
  std::shared_ptr<X509> x509_;
  std::shared_ptr<const Bytes> der_;
};

}  // namespace spiffe::identity
