// What a file of an identity holds: guessed from the content, told in words and as JSON. Pure; tells nothing
// of a private key but its kind, nothing of a token but its header and claims.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"
#include "identity/jwt_svid.hh"
#include "identity/x509_svid.hh"

namespace spiffe::cli {

// What is wrong with a file, where that matters to others.
enum class Problem { other, expired, mixed };  // mixed: with a file of another generation

// The files that belong together are compared with what stands in the second half.
struct Explained {
  std::string title;           // "X.509-SVID", "private key", "bundle of 2 authorities"
  Json json = {{"kind", ""}};  // what docs/json.md says of it
  TextTable rows{80, 2};

  std::vector<identity::Certificate> certificates;
  std::optional<identity::X509Svid> svid;  // of the first certificate, where the rules take it for one
  PkeyPtr key;
  SecretBytes pkcs8;  // of that key, whatever format it stands there in
  SecretBytes token;
  std::optional<identity::JwtBundles> jwt_bundles;  // of a lone JWK Set: under the domain "unknown"

  std::vector<Problem> problems;  // as many as the JSON has, in its order

  // Something wrong, as a row and in the JSON.
  void problem(const std::string& what, Problem kind = Problem::other);
};

// The domain of a JWK Set that stands alone, which names none.
inline constexpr std::string_view kLoneDomain = "unknown";

// Error kind failed: nothing that this program knows. `password`: of PKCS#12, as pkcs12_blocks() takes it.
[[nodiscard]] Result<Explained> explain(const SecretBytes& content, WallTime now, std::size_t width,
                                        const SecretBytes* password = nullptr);

}  // namespace spiffe::cli
