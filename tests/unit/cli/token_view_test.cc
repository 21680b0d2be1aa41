#include "cli/agent/token_view.hh"

#include "support/jwt.hh"
#include "views.hh"

using namespace spiffe;
using namespace spiffe::cli;

namespace {

const std::vector<std::string> kAudience = {"db"};

struct Tokens {
  test::Key key = test::Key::generate();

  [[nodiscard]] identity::JwtBundles bundles() const {
    return *identity::JwtBundles::from({{"example.org", test::jwks({test::jwk(key, "k1")})}}, nullptr,
                                       nullptr);
  }
  [[nodiscard]] identity::JwtSvidMaterial token(long long expires) const {
    const std::string text =
        test::token(key, {{"alg", "ES256"}, {"kid", "k1"}},
                    {{"sub", kWeb}, {"aud", {"db"}}, {"exp", expires}, {"iat", 1767323000}});
    return {kWeb, SecretBytes(std::string_view(text)), "h\x1b"};
  }
};

}  // namespace

TEST_CASE("a token is shown with its audiences and validity") {
  const Tokens tokens;
  const auto material = tokens.token(1767323045 + 60);
  const TokenView view = view_of(material, kAudience, tokens.bundles(), test::kNow);
  CHECK(text_of(view, test::kNow, {}) ==
        "spiffe://example.org/web\n"
        "  hint      h\\x1b\n"
        "  audience  db\n"
        "  issued    2026-01-02T03:03:20Z\n"
        "  expires   2026-01-02T03:05:05Z, 1m left\n"
        "  signed    ES256 by key k1\n"
        "  good      the signature is that of the trust domain\n");
  const Json found = json_of(view, test::kNow);
  CHECK(found["good"] == true);
  CHECK(found["remaining_seconds"] == 60);
  CHECK_FALSE(contains(json_text(found), std::string(material.token.text())));
}

TEST_CASE("a token that is not valid is shown with the reason") {
  const Tokens tokens;
  const TokenView view = view_of(tokens.token(1767323045 - 60), kAudience, tokens.bundles(), test::kNow);
  CHECK_FALSE(view.problem.empty());
  const std::string text = text_of(view, test::kNow, {});
  CHECK(contains(text, "  signed  ES256 by key k1\n  bad     "));
  CHECK(json_of(view, test::kNow)["expires_at"].is_null());
}
