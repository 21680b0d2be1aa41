// Any bytes as a JWK Set or a token: the first byte selects. An accepted JWK Set reads back the same from our
// output; messages are short and safe to print.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.hh"
#include "base/openssl.hh"
#include "base/text.hh"
#include "identity/jws.hh"
#include "identity/jwt_svid.hh"

namespace {

using namespace spiffe::identity;

const spiffe::WallTime kNow(std::chrono::seconds(1767323045));

void require(bool condition) {
  if (!condition) std::abort();
}

void check_message(const std::string& message) {
  require(!message.empty() && message.size() < 4096);
  require(spiffe::escape(message) == message);
}

void jwks(std::string_view text) {
  const TrustDomain domain = *TrustDomain::parse("example.org");
  const auto bundle = JwtBundle::parse(domain, text);
  if (!bundle) return check_message(bundle.error().message);
  require(bundle->raw() == text);
  for (const std::string& what : bundle->left_out()) check_message(what);
  const std::string written = bundle->jwks();
  const auto again = JwtBundle::parse(domain, written);
  require(again && again->jwks() == written && again->left_out().empty());
  require(again->authorities().size() == bundle->authorities().size());
  for (const auto& [key_id, authority] : bundle->authorities()) {
    require(authority.key_id() == key_id && bundle->find(key_id) != nullptr);
    // The point was checked, so OpenSSL accepts it.
    if (authority.kind() != JwtAuthority::Kind::rsa) require(authority.key() != nullptr);
  }
}

// RFC 7515, appendix A.3.
const JwtBundles& bundles() {
  static const JwtBundles shared = *JwtBundles::from(
      {{"example.org",
        R"({"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})"}},
      nullptr, nullptr);
  return shared;
}

void token(std::string_view text) {
  const auto jws = Jws::parse(text);
  const std::vector<std::string> audiences = {"db"};
  const auto svid = JwtSvid::parse_and_verify(spiffe::SecretBytes(text), audiences, "", bundles(), kNow);
  // No token was ever signed with that key for example.org.
  require(!svid);
  check_message(svid.error().message);
  if (!jws) return check_message(jws.error().message);
  const auto verified = jws->verify(*bundles().bundles.begin()->second.find("a"));
  if (!verified) check_message(verified.error().message);
  const std::size_t first = text.find('.');
  const std::size_t last = text.rfind('.');
  require(jws->signed_text == text.substr(0, last));
  require(spiffe::base64url_encode(jws->payload.bytes()) == text.substr(first + 1, last - first - 1));
  require(spiffe::base64url_encode(jws->signature.bytes()) == text.substr(last + 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'k') {
    jwks(input);
  } else {
    token(input);
  }
  (void)spiffe::take_openssl_error();
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spiffe::init_openssl();
  return 0;
}
