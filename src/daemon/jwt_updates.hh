// The JWT part of the daemon: verifies bundles and tokens of the agent, and supplies their content as single
// files.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/chore.hh"
#include "base/loop.hh"
#include "base/trouble_log.hh"
#include "config/config.hh"
#include "health/status.hh"
#include "identity/jwt_bundles.hh"
#include "identity/jwt_svid.hh"
#include "output/file_plan.hh"
#include "workload/jwt_bundle_source.hh"
#include "workload/jwt_source.hh"

namespace spiffe::daemon {

// Loop thread only. A token is written only after it is verified with the bundle of its trust domain
// (Workload API, section 6.3). So the bundles are watched if a token is configured, and tokens wait for the
// first ones.
class JwtUpdates {
 public:
  struct Callbacks {
    // This file has new content.
    std::function<void(const std::string& name)> on_file;
    // The agent answers, but with no token for this file.
    std::function<void(const std::string& name)> on_not_offered;
    // The stream or call of `kind` (bundle or jwt) ended. Returns whether the process ends, so that there is
    // no retry to log.
    std::function<bool(identity::Kind kind, const workload::Lost&)> end_if_fatal;
    // Our own trust domain; null while it is not known.
    std::function<const identity::TrustDomain*()> own;
  };

  // `files` is Plan::jwt. `status` outlives this.
  JwtUpdates(Loop& loop, const config::Config& config, const std::vector<output::PlannedFile>& files,
             health::Status& status, Callbacks callbacks);

  void start();
  // No callback is called from now on; file() still works. The destructor closes the streams and calls.
  void stop();
  // Another stream reached the agent again.
  void agent_back();
  // Callbacks::own now returns our own trust domain, or another one than before.
  void own_known();

  // The content of the file; none before the first good message.
  [[nodiscard]] std::optional<output::File> file(const std::string& name) const;
  // When the token of this file expires; none for the JWT bundle and the JWKS.
  [[nodiscard]] std::optional<WallTime> expires(const std::string& name) const;

 private:
  struct Token {
    output::PlannedFile file;
    workload::JwtRequest request;
    std::optional<identity::JwtSvid> svid;
  };

  // The token of this file; null if the file is not a token, or no valid one has arrived.
  [[nodiscard]] const identity::JwtSvid* svid_of(const std::string& name) const;
  void take_bundles(const identity::JwtBundlesMaterial& material);
  // Selects the bundle for the JWKS.
  void choose_jwks();
  [[nodiscard]] const identity::TrustDomain* own() const;
  void take_token(std::size_t index, identity::JwtSvidMaterial material);
  void judge_next();
  void judge(std::size_t index, identity::JwtSvidMaterial material);
  void token_lost(std::size_t index, const workload::Lost& lost);
  void token_not_offered(const Token& token, const workload::Lost& lost);
  void bundles_lost(const workload::Lost& lost);

  struct Waiting {
    std::size_t index;
    identity::JwtSvidMaterial material;
  };

  const config::Config& config_;
  health::Status& status_;
  Callbacks callbacks_;
  std::vector<Token> tokens_;
  std::unordered_map<std::string, std::size_t> by_name_;  // indices of tokens_
  std::optional<output::PlannedFile> bundle_file_;
  std::optional<output::PlannedFile> jwks_file_;
  std::optional<identity::JwtBundle> jwks_;  // the content of jwks_file_
  std::optional<identity::JwtBundles> bundles_;
  std::deque<Waiting> waiting_;  // tokens that wait for the first bundles
  Chore judging_;                // verifies them
  std::set<std::string> known_findings_;
  TroubleLog troubles_;
  std::unique_ptr<workload::JwtBundleSource> bundle_source_;
  std::unique_ptr<workload::JwtSource> token_source_;  // null without tokens
};

}  // namespace spiffe::daemon
