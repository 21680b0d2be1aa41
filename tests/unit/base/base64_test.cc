#include "base/base64.hh"

#include "support/catch.hh"

using spiffe::base64_decode;
using spiffe::base64_encode;
using spiffe::base64url_decode;
using spiffe::base64url_encode;

namespace {

std::string decoded(const std::optional<spiffe::SecretBytes>& result) {
  return result ? std::string(result->text()) : "refused";
}

}  // namespace

TEST_CASE("base64 encodes RFC 4648's vectors, with and without padding") {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(base64_encode(plain) == encoded);
    CHECK(decoded(base64_decode(encoded)) == plain);
    const auto bare = encoded.substr(0, encoded.find('='));
    CHECK(base64url_encode(plain) == bare);
    CHECK(decoded(base64url_decode(bare)) == plain);
  }
  CHECK(base64_encode("\xfb\xff") == "+/8=");
  CHECK(base64url_encode("\xfb\xff") == "-_8");
}

TEST_CASE("base64url refuses padding, white space, the other alphabet and impossible lengths") {
  for (const std::string_view text :
       {"Zg==", "Zg=", "Zm9v\n", " Zm9v", "Zm 9v", "+/8", "Z", "Zm9vY", "Zm9v."}) {
    CHECK_FALSE(base64url_decode(text));
  }
}

TEST_CASE("base64 refuses wrong padding") {
  for (const std::string_view text : {"Zg", "Zg=", "Zm8", "Zm9v=", "Zm9v====", "=", "====", "Z===", "-_8="}) {
    CHECK_FALSE(base64_decode(text));
  }
}

TEST_CASE("bits after the last byte must be zero") {
  CHECK(base64url_decode("Zg"));
  CHECK_FALSE(base64url_decode("Zh"));
  CHECK(base64url_decode("Zm8"));
  CHECK_FALSE(base64url_decode("Zm9"));
  CHECK_FALSE(base64_decode("Zh=="));
}
