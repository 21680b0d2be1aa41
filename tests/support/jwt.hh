// Signed tokens and JWK Sets for tests. Failures throw std::runtime_error.
//
//   const test::Key key = test::Key::generate();
//   test::token(key, {{"alg", "ES256"}, {"kid", "k1"}}, {{"sub", "spiffe://example.org/web"}});
//   test::jwks({test::jwk(key, "k1")});
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "support/pki.hh"

namespace spiffe::test {

// The public half as Go programs write it: kty, kid and the numbers. EC and RSA keys.
nlohmann::json jwk(const Key& key, std::string_view key_id);
std::string jwks(std::initializer_list<nlohmann::json> keys);

// Compact JWS. The signature is that of header["alg"]: one of RS, ES, PS × 256, 384, 512; for ES it has the
// length of the key's curve.
std::string token(const Key& key, const nlohmann::json& header, const nlohmann::json& claims);
// The same for parts that are not JSON: both are encoded unchanged.
std::string token_of(const Key& key, std::string_view algorithm, std::string_view header,
                     std::string_view payload);

}  // namespace spiffe::test
