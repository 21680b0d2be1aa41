// Explains the content of an identity file, as text and as JSON; the kind is guessed from the content. Pure.
// Shows only the type of a private key, and only the header and claims of a token.
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

// Rows of a list in text; JSON has all.
constexpr std::size_t kMaxListed = 12;

// The kind of a problem, for callers that need it.
enum class Problem { other, expired, mixed };  // mixed: with a file of another generation

// The second half of the members is for comparison with files that belong together.
struct Explained {
  std::string title;           // "X.509-SVID", "private key", "bundle of 2 authorities"
  Json json = {{"kind", ""}};  // described in docs/json.md
  TextTable rows{kMaxWidth, kRowIndent};

  std::vector<identity::Certificate> certificates;
  std::optional<identity::X509Svid> svid;  // of the first certificate, if it is valid as an SVID
  PkeyPtr key;
  SecretBytes pkcs8;  // of that key, in whatever format the file has it
  SecretBytes token;
  std::optional<identity::JwtBundles> jwt_bundles;  // a lone JWK Set is under the domain "unknown"

  std::vector<Problem> problems;  // parallel to the JSON's list

  // Adds a problem as a row and to the JSON.
  void problem(const std::string& what, Problem kind = Problem::other);
};

// The domain of a lone JWK Set, which contains no name.
inline constexpr std::string_view kLoneDomain = "unknown";

// Error kind failed: unknown content. `password`: of PKCS#12, as for pkcs12_blocks().
[[nodiscard]] Result<Explained> explain(const SecretBytes& content, WallTime now, std::size_t width,
                                        const SecretBytes* password = nullptr);

}  // namespace spiffe::cli
