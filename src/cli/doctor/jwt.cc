#include "cli/doctor/jwt.hh"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/loop.hh"
#include "base/text.hh"
#include "cli/text/cat.hh"
#include "cli/text/lifetime.hh"
#include "daemon/settings.hh"
#include "identity/jwt_bundles.hh"
#include "identity/jwt_svid.hh"
#include "workload/channel.hh"
#include "workload/jwt_bundle_source.hh"
#include "workload/jwt_source.hh"

namespace spiffe::cli {

namespace {

// If both are empty: no answer in time.
template <class Material>
struct JwtAnswer {
  std::optional<Material> material;
  std::optional<workload::Failure> failure;

  [[nodiscard]] bool given() const { return material || failure; }
};

using TokenAnswer = JwtAnswer<identity::JwtSvidMaterial>;

struct Answers {
  JwtAnswer<identity::JwtBundlesMaterial> bundles;
  std::vector<TokenAnswer> tokens;  // in the order of the requests

  [[nodiscard]] bool all() const {
    return bundles.given() &&
           std::ranges::all_of(tokens, [](const TokenAnswer& each) { return each.given(); });
  }
};

Result<Answers> ask(const Endpoint& endpoint, const std::vector<workload::JwtRequest>& requests,
                    std::chrono::nanoseconds timeout) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  Answers out;
  out.tokens.resize(requests.size());
  const auto look = [&] {
    if (out.all()) (*loop)->stop();
  };
  workload::JwtBundleSource bundles(**loop, endpoint,
                                    {.on_update =
                                         [&](identity::JwtBundlesMaterial material) {
                                           out.bundles.material = std::move(material);
                                           look();
                                         },
                                     .on_lost =
                                         [&](const workload::Lost& lost) {
                                           out.bundles.failure = lost.failure;
                                           look();
                                         },
                                     .on_restored = [] {}});
  std::unique_ptr<workload::JwtSource> tokens;
  if (!requests.empty()) {
    tokens = std::make_unique<workload::JwtSource>(
        **loop, endpoint, requests,
        workload::JwtSource::Callbacks{
            .on_token =
                [&](std::size_t index, identity::JwtSvidMaterial token, std::size_t) {
                  out.tokens[index].material = std::move(token);
                  look();
                },
            .on_lost =
                [&](std::size_t index, const workload::Lost& lost) {
                  out.tokens[index].failure = lost.failure;
                  look();
                }});
    tokens->start();
  }
  bundles.start();
  (*loop)->run_for(timeout);
  return out;
}

void no_answer(const char* step, const std::string& what, std::chrono::nanoseconds timeout, Findings& out) {
  add(out, Grade::fail, step, cat({what, "no answer within ", human(timeout)}),
      "the agent is there and does not answer this: what does its log say?");
}

// Returns false if nothing more can be checked without them.
bool judge_bundles(const Answers& answers, std::chrono::nanoseconds timeout,
                   std::optional<identity::JwtBundles>& bundles, Findings& out) {
  constexpr const char* kStep = "jwt-bundle";
  if (answers.bundles.failure) {
    out.push_back(judge_failure(*answers.bundles.failure));
    return false;
  }
  if (!answers.bundles.material) {
    no_answer(kStep, "", timeout, out);
    return false;
  }
  auto read = identity::JwtBundles::from(*answers.bundles.material, nullptr, nullptr);
  if (!read) {
    add(out, Grade::fail, kStep, read.error().message,
        "the helper refuses this answer and keeps what is on disk: what does the agent's log say?");
    return false;
  }
  for (const auto& finding : read->findings) {
    add(out, Grade::warn, kStep, cat({finding.subject, ": ", finding.message}),
        "what can be read is used: what does that trust domain's server say?");
  }
  const std::size_t domains = read->bundles.size();
  add(out, Grade::ok, kStep,
      cat({"the JWT keys of ", std::to_string(domains), domains == 1 ? " trust domain" : " trust domains"}));
  bundles = *std::move(read);
  return true;
}

// The trust domain of a JWKS if neither X.509-SVIDs nor tokens define it.
void judge_jwks(const config::Config& config, const identity::JwtBundles& bundles, Findings& out) {
  if (config.jwks_file_name.empty() || daemon::wants_any_x509(config) || !config.jwt_svids.empty()) return;
  const identity::TrustDomain* domain = daemon::lone_trust_domain(config, bundles);
  if (domain == nullptr) {
    add(out, Grade::fail, "jwks", "which trust domain is ours is not known: the agent has keys of several",
        "set spiffe_id, or an X.509 output such as svid_file_name");
  } else if (bundles.find(*domain) == nullptr) {
    add(out, Grade::fail, "jwks", cat({"the agent has no JWT keys of ", domain->name()}),
        "compare spiffe_id with the trust domain that spiffe-helper fetch bundles shows");
  } else {
    add(out, Grade::ok, "jwks", cat({"it holds the JWT keys of ", domain->name()}));
  }
}

void judge_refusal(const std::string& what, const workload::JwtRequest& request,
                   const workload::Failure& failure, Findings& out) {
  std::string hint = failure.hint;
  if (!request.spiffe_id.empty() || !request.hint.empty()) {
    hint = "compare its spiffe_id and hint with what spiffe-helper fetch x509 shows: is that identity there?";
  } else if (hint.empty()) {
    hint = "the agent's log says more";
  }
  add(out, Grade::fail, "jwt-svid", what + failure.cause, hint);
}

void judge_token(const std::string& what, const workload::JwtRequest& request,
                 identity::JwtSvidMaterial material, const identity::JwtBundles& bundles, Findings& out) {
  const WallTime now = wall_now();
  const auto svid = identity::JwtSvid::parse_and_verify(std::move(material.token), request.audiences,
                                                        material.spiffe_id, bundles, now);
  if (!svid) {
    add(out, Grade::fail, "jwt-svid", what + svid.error().message, svid.error().hint);
    if (out.back().hint.empty()) {
      out.back().hint = cat({"the helper refuses this token: compare date -u here (", rfc3339(now),
                             ") and at the agent, and look into its log"});
    }
    return;
  }
  add(out, Grade::ok, "jwt-svid",
      cat({what, svid->id.str(), ", ", time_left(WallTime::min(), svid->expires_at, now)}));
}

}  // namespace

void check_jwt(const config::Config& config, std::chrono::nanoseconds timeout, Findings& out) {
  workload::init_grpc();
  std::vector<workload::JwtRequest> requests;
  requests.reserve(config.jwt_svids.size());
  for (const config::JwtSvid& entry : config.jwt_svids)
    requests.push_back(daemon::jwt_request(config, entry));
  auto answers = ask(config.agent_address, requests, timeout);
  if (!answers) return add(out, Grade::fail, "jwt-bundle", answers.error().message, answers.error().hint);
  std::optional<identity::JwtBundles> bundles;
  if (!judge_bundles(*answers, timeout, bundles, out)) return;
  judge_jwks(config, *bundles, out);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    TokenAnswer& token = answers->tokens[i];
    const std::string what = escape(config.jwt_svids[i].jwt_svid_file_name) + ": ";
    if (token.failure) {
      judge_refusal(what, requests[i], *token.failure, out);
    } else if (!token.material) {
      no_answer("jwt-svid", what, timeout, out);
    } else {
      judge_token(what, requests[i], *std::move(token.material), *bundles, out);
    }
  }
}

}  // namespace spiffe::cli
