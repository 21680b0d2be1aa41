// The JWT half of the daemon: bundles and tokens come from the agent, are verified, and offered as single
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

// Loop thread only. A token is verified against the bundles of its trust domain (rule 28), so they are
// watched wherever a token is configured; until they have arrived tokens wait.
class JwtUpdates {
 public:
  struct Callbacks {
    // There is a new content of this file.
    std::function<void(const std::string& name)> on_file;
    // The agent answers, but offers no token that is meant for this file.
    std::function<void(const std::string& name)> on_not_offered;
    // An agent's refusal; `kind` says of what (bundle or jwt). True: nothing is asked for again.
    std::function<bool(health::Kind kind, const workload::Lost&)> end_if_fatal;
    // Our own trust domain; null while it is not known.
    std::function<const identity::TrustDomain*()> own;
  };

  // `files`: those of Plan::jwt.
  // `status` outlives this.
  JwtUpdates(Loop& loop, const config::Config& config, const std::vector<output::PlannedFile>& files,
             health::Status& status, Callbacks callbacks);

  void start();
  // Nothing new comes any more, files stay known. The streams and calls are closed by the destructor.
  void stop();
  // Another stream has seen the agent come back.
  void agent_back();
  // Callbacks::own gives our own trust domain now, or another one.
  void own_known();

  // What the file should hold; nothing before the first good message.
  [[nodiscard]] std::optional<output::File> file(const std::string& name) const;
  // When the token of this file expires; none for JWT bundle and JWKS.
  [[nodiscard]] std::optional<WallTime> expires(const std::string& name) const;

 private:
  struct Token {
    output::PlannedFile file;
    workload::JwtRequest request;
    std::optional<identity::JwtSvid> svid;
  };

  // The token of this file; null where it is none, or there is no good one yet.
  [[nodiscard]] const identity::JwtSvid* svid_of(const std::string& name) const;
  void take_bundles(const identity::JwtBundlesMaterial& material);
  // Chooses what the JWKS holds, of the bundles that are there.
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
  std::optional<identity::JwtBundle> jwks_;  // what it holds
  std::optional<identity::JwtBundles> bundles_;
  std::deque<Waiting> waiting_;  // for the first bundles
  Chore judging_;                // them
  std::set<std::string> known_findings_;
  TroubleLog troubles_;
  std::unique_ptr<workload::JwtBundleSource> bundle_source_;
  std::unique_ptr<workload::JwtSource> token_source_;  // none without tokens
};

}  // namespace spiffe::daemon
