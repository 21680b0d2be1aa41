#include "identity/jws.hh"

#include "base/base64.hh"
#include "support/catch.hh"
#include "support/jwt.hh"

using nlohmann::json;
using spiffe::base64url_decode;
using spiffe::base64url_encode;
using spiffe::identity::Jws;
using spiffe::identity::JwsAlgorithm;
using spiffe::identity::JwtAuthority;
namespace test = spiffe::test;
using test::KeyType;

namespace {

// RFC 7515, appendix A.
const std::string kRfcPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const json kRfcRsa = {
    {"kty", "RSA"},
    {"kid", "A.2"},
    {"n",
     "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-"
     "SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
     "KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
     "DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"e", "AQAB"}};

const std::string kRfcRsaToken =
    "eyJhbGciOiJSUzI1NiJ9." + kRfcPayload +
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7"
    "K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
    "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
    "IoypGlUPQGe77Rw";

const json kRfcP256 = {{"kty", "EC"},
                       {"kid", "A.3"},
                       {"crv", "P-256"},
                       {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                       {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};

const std::string kRfcP256Token =
    "eyJhbGciOiJFUzI1NiJ9." + kRfcPayload +
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const json kRfcP521 = {
    {"kty", "EC"},
    {"kid", "A.4"},
    {"crv", "P-521"},
    {"x", "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk"},
    {"y", "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}};

const std::string kRfcP521Token =
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_"
    "7XdtAG8GaSwFKdCAPZgoXD2Y"
    "BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

// "good", or the error.
std::string outcome(std::string_view token, const json& jwk) {
  const auto authority = JwtAuthority::from(jwk);
  if (!authority) return "key: " + authority.error().message;
  const auto jws = Jws::parse(token);
  if (!jws) return jws.error().message;
  const auto verified = jws->verify(*authority);
  return verified ? "good" : verified.error().message;
}

std::string parse_refusal(std::string_view header) {
  const auto jws = Jws::parse(base64url_encode(header) + ".e30.AAAA");
  return jws ? "accepted" : jws.error().message;
}

// The token with one bit of its signature changed.
std::string tampered(const std::string& token, std::size_t byte = 0) {
  const std::size_t dot = token.rfind('.');
  std::string signature(base64url_decode(token.substr(dot + 1))->text());
  signature[byte] = static_cast<char>(signature[byte] ^ 1);
  return token.substr(0, dot + 1) + base64url_encode(signature);
}

// RFC 7520, section 4.2: RFC 7515 has no example of PS384.
const json kRfcPss = {
    {"kty", "RSA"},
    {"kid", "bilbo.baggins@hobbiton.example"},
    {"use", "sig"},
    {"e", "AQAB"},
    {"n",
     "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMa"
     "JMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6c"
     "S6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwd"
     "q_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"}};

const std::string kRfcPssToken =
    "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3V"
    "zIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHl"
    "vdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9"
    "mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP"
    "6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqr"
    "YRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64"
    "QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";

}  // namespace

TEST_CASE("RFC 7515 A.2: RS256 verifies, but not with a changed bit") {
  CHECK(outcome(kRfcRsaToken, kRfcRsa) == "good");
  for (const std::size_t byte : {0, 100, 255}) {
    CHECK(outcome(tampered(kRfcRsaToken, byte), kRfcRsa) == "the token's signature is wrong");
  }
}

TEST_CASE("RFC 7515 A.3: ES256 verifies, but not with a changed bit") {
  CHECK(outcome(kRfcP256Token, kRfcP256) == "good");
  for (const std::size_t byte : {0, 31, 32, 63}) {
    CHECK(outcome(tampered(kRfcP256Token, byte), kRfcP256) == "the token's signature is wrong");
  }
}

TEST_CASE("RFC 7515 A.4: ES512 verifies, but not with a changed bit") {
  CHECK(outcome(kRfcP521Token, kRfcP521) == "good");
  for (const std::size_t byte : {1, 65, 67, 131}) {
    CHECK(outcome(tampered(kRfcP521Token, byte), kRfcP521) == "the token's signature is wrong");
  }
}

TEST_CASE("RFC 7520 4.2: PS384 verifies, but not with a changed bit") {
  CHECK(outcome(kRfcPssToken, kRfcPss) == "good");
  for (const std::size_t byte : {0, 100, 255}) {
    CHECK(outcome(tampered(kRfcPssToken, byte), kRfcPss) == "the token's signature is wrong");
  }
}

TEST_CASE("each of the nine algorithms verifies only with its kind of key") {
  const std::pair<KeyType, std::vector<std::string>> kinds[] = {
      {KeyType::rsa_2048, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
      {KeyType::ec_p256, {"ES256"}},
      {KeyType::ec_p384, {"ES384"}},
      {KeyType::ec_p521, {"ES512"}}};
  for (const auto& [type, algorithms] : kinds) {
    const test::Key key = test::Key::generate(type);
    const json own = test::jwk(key, "k");
    for (const std::string& algorithm : algorithms) {
      INFO(algorithm);
      const std::string token = test::token(key, {{"alg", algorithm}}, {{"a", 1}});
      CHECK(outcome(token, own) == "good");
      CHECK(outcome(tampered(token, 3), own) == "the token's signature is wrong");
      CHECK(outcome(token, test::jwk(test::Key::generate(type), "k")) == "the token's signature is wrong");
      const json foreign = type == KeyType::ec_p256 ? kRfcP521 : kRfcP256;
      CHECK(
          outcome(token, foreign).starts_with("the token's alg " + algorithm + " does not go with a key of"));
    }
  }
}

TEST_CASE("a signature of one algorithm is not valid for another one with the same key") {
  const test::Key key = test::Key::generate(KeyType::rsa_2048);
  const std::string algorithms[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"};
  for (const std::string& made : algorithms) {
    for (const std::string& said : algorithms) {
      const std::string token = test::token_of(key, made, json({{"alg", said}}).dump(), "{}");
      CHECK((outcome(token, test::jwk(key, "k")) == "good") == (made == said));
    }
  }
}

TEST_CASE("an ECDSA signature has exactly the length of its curve, and is not DER") {
  const std::size_t dot = kRfcP256Token.rfind('.');
  const std::string text = kRfcP256Token.substr(0, dot + 1);
  const std::string raw(base64url_decode(kRfcP256Token.substr(dot + 1))->text());
  for (const std::string& wrong :
       {raw.substr(0, 63), raw + '\0', std::string(1, '\0') + raw, std::string(70, '0')}) {
    CHECK(outcome(text + base64url_encode(wrong), kRfcP256) ==
          "the token's signature has " + std::to_string(wrong.size()) + " bytes, not the 64 of ES256");
  }
  CHECK(outcome(text + base64url_encode(std::string(64, '\0')), kRfcP256) ==
        "the token's signature is wrong");
  CHECK(outcome(text + base64url_encode(std::string(64, '\xff')), kRfcP256) ==
        "the token's signature is wrong");
}

TEST_CASE("an RSA signature has exactly the length of the modulus") {
  const std::size_t dot = kRfcRsaToken.rfind('.');
  const std::string text = kRfcRsaToken.substr(0, dot + 1);
  const std::string raw(base64url_decode(kRfcRsaToken.substr(dot + 1))->text());
  for (const std::string& wrong : {raw.substr(1), std::string(1, '\0') + raw, raw + raw}) {
    CHECK(outcome(text + base64url_encode(wrong), kRfcRsa) == "the token's signature is wrong");
  }
}

TEST_CASE("alg none, shared secrets and unknown algorithms are refused, each with its reason") {
  CHECK(parse_refusal(R"({"alg":"none"})") == "the token's alg is \"none\": it is not signed");
  CHECK(parse_refusal(R"({"alg":"NonE"})") == "the token's alg is \"NonE\": it is not signed");
  CHECK(parse_refusal(R"({"alg":"HS256"})") ==
        "the token's alg is \"HS256\": a shared secret, which whoever verifies tokens could sign with");
  for (const std::string name : {"EdDSA", "ES256K", "rs256", "RS1", "RS2560", "", "A\\n"}) {
    CHECK(parse_refusal(R"({"alg":")" + name + "\"}")
              .ends_with("is none of RS, ES or PS with 256, 384 or 512"));
  }
  CHECK(parse_refusal("{}") == "the token's header has no alg");
  CHECK(parse_refusal(R"({"alg":256})") == "the token's header has no alg");
}

TEST_CASE("typ is absent, JWT or JOSE") {
  for (const std::string good : {R"({"alg":"ES256"})", R"({"alg":"ES256","typ":"JWT"})",
                                 R"({"alg":"ES256","typ":"JOSE","kid":"x","other":[1]})"}) {
    CHECK(parse_refusal(good) == "accepted");
  }
  CHECK(parse_refusal(R"({"alg":"ES256","typ":"at+jwt"})") ==
        "the token's typ is \"at+jwt\", not JWT or JOSE");
  CHECK(parse_refusal(R"({"alg":"ES256","typ":"jwt"})") == "the token's typ is \"jwt\", not JWT or JOSE");
  CHECK(parse_refusal(R"({"alg":"ES256","typ":null})") == "the token's typ is no string, not JWT or JOSE");
}

TEST_CASE("a header that cannot be trusted is refused") {
  CHECK(parse_refusal(R"({"alg":"ES256","crit":[]})") ==
        "the token's header has crit: extensions that nobody here knows");
  CHECK(parse_refusal(R"({"alg":"none","alg":"ES256"})") ==
        "the token's header: an object has a member twice");
  CHECK(parse_refusal(R"({"alg":"ES256","kid":7})") == "the token's kid is not a string");
  CHECK(parse_refusal("[]") == "the token's header is not a JSON object");
  CHECK(parse_refusal(std::string_view("{\"alg\":\"ES256\"}\0garbage", 23)) ==
        "the token's header: not JSON at byte 16");
  CHECK(parse_refusal("secret") == "the token's header: not JSON at byte 1");
  CHECK(parse_refusal(R"({"alg":"ES256","kid":")" + std::string(20'000, 'a') + "\"}")
            .ends_with(", more than 16384"));
}

TEST_CASE("a compact JWS is three parts of strict base64url") {
  const std::string header = base64url_encode(R"({"alg":"ES256"})");
  const auto refusal = [](std::string_view token) {
    const auto jws = Jws::parse(token);
    return jws ? "accepted" : jws.error().message;
  };
  CHECK(refusal(header + ".e30.AAAA") == "accepted");
  CHECK(refusal("") == "the token is empty");
  for (const std::string& wrong : {header, header + ".e30", header + ".e30.AAAA.AAAA", std::string("....")}) {
    CHECK(refusal(wrong) == "the token is not three parts with dots between them");
  }
  CHECK(refusal("=.e30.AAAA") == "the token's header is not base64url");
  CHECK(refusal(header + ".e30=.AAAA") == "the token's payload is not base64url");
  CHECK(refusal(header + ".e30.AAAA\n") == "the token's signature is not base64url");
  CHECK(refusal(header + ".e30.AB") == "the token's signature is not base64url");
  CHECK(refusal(header + ".e30.") == "the token has no signature");
  CHECK(refusal(std::string(300'000, 'a')) == "the token has 300000 bytes, more than 262144");
}
