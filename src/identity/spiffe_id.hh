// SPIFFE IDs and trust domains: SPIFFE-ID standard, section 2. Pure.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::identity {

// A trust domain's name: [a-z0-9._-]{1,255}. It need not be a DNS name: "-x" and "a..b" are valid.
class TrustDomain {
 public:
  // "example.org". Upper case is an error here, while SpiffeId::parse accepts it in the scheme.
  static Result<TrustDomain> parse(std::string_view name);
  // As parse(), but also accepts the ID form "spiffe://example.org", since agents use either form as the key
  // of federated bundles.
  static Result<TrustDomain> parse_name_or_id(std::string_view text);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string id() const { return "spiffe://" + name_; }
  auto operator<=>(const TrustDomain&) const = default;

 private:
  friend class SpiffeId;
  explicit TrustDomain(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

// "spiffe://example.org/path": the scheme in any case on input and in lower case on output; no query,
// fragment, user info, port or percent-encoding; path segments of [A-Za-z0-9._-]+, none of them "." or "..";
// at most 2048 bytes.
class SpiffeId {
 public:
  static Result<SpiffeId> parse(std::string_view uri);

  [[nodiscard]] const TrustDomain& trust_domain() const { return trust_domain_; }
  [[nodiscard]] const std::string& path() const { return path_; }  // "" or "/a/b"
  [[nodiscard]] std::string str() const { return trust_domain_.id() + path_; }
  auto operator<=>(const SpiffeId&) const = default;

 private:
  SpiffeId(TrustDomain trust_domain, std::string path)
      : trust_domain_(std::move(trust_domain)), path_(std::move(path)) {}
  TrustDomain trust_domain_;
  std::string path_;
};

// Whether both texts are the same SPIFFE ID: the case of the scheme is ignored. Equal texts are the same,
// whatever they hold.
[[nodiscard]] bool same_id(std::string_view a, std::string_view b);

}  // namespace spiffe::identity
