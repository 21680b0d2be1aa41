#include "daemon/jwt_updates.hh"

#include <utility>

#include "base/log.hh"
#include "base/text.hh"
#include "daemon/settings.hh"
#include "output/jwt_bundle_file.hh"

namespace spiffe::daemon {

namespace {

using health::UpdateResult;
using identity::Kind;

log::Fields fields_of_loss(Kind kind, const workload::Lost& lost, bool last, bool had) {
  log::Fields fields = {
      {"event", lost.failure.kind == workload::FailureKind::no_identity ? "identity_denied" : "stream_lost"},
      {"kind", identity::word_of(kind)}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  if (!last) fields.push_back({"retry_in", human(lost.retry_in)});
  if (had) fields.push_back({"files", "kept"});
  return fields;
}

// The names in TroubleLog.
constexpr const char* kStream = "stream";
constexpr const char* kBundles = "bundles";
constexpr const char* kOwn = "own trust domain";

std::string trouble_of(const std::string& token_name) {
  return "token " + token_name;
}

// A cause that affects all tokens is logged once, any other cause once for each token.
std::string cause_of(const std::string& token_name, const workload::Failure& failure) {
  if (failure.kind == workload::FailureKind::unreachable) return failure.cause;
  return token_name + ": " + failure.cause;
}

}  // namespace

JwtUpdates::JwtUpdates(Loop& loop, const config::Config& config,
                       const std::vector<output::PlannedFile>& files, health::Status& status,
                       Callbacks callbacks)
    : config_(config),
      status_(status),
      callbacks_(std::move(callbacks)),
      judging_(loop, [this] { judge_next(); }),
      troubles_(loop) {
  for (std::size_t i = 0; i < config.jwt_svids.size(); ++i) {
    by_name_.emplace(files[i].name, i);
    tokens_.push_back({.file = files[i], .request = jwt_request(config, config.jwt_svids[i]), .svid = {}});
  }
  std::size_t next = tokens_.size();
  if (!config.jwt_bundle_file_name.empty()) bundle_file_ = files[next++];
  if (!config.jwks_file_name.empty()) jwks_file_ = files[next];
  status_.of(Kind::bundle);
  bundle_source_ = std::make_unique<workload::JwtBundleSource>(
      loop, config.agent_address,
      workload::JwtBundleSource::Callbacks{
          .on_update = [this](const identity::JwtBundlesMaterial& material) { take_bundles(material); },
          .on_lost = [this](const workload::Lost& lost) { bundles_lost(lost); },
          .on_restored =
              [this] {
                troubles_.ended(kStream, "The agent's stream is restored",
                                {{"event", "stream_restored"}, {"kind", identity::word_of(Kind::bundle)}});
                ++status_.of(Kind::bundle).stream_reconnects;
                agent_back();
              }});
  if (tokens_.empty()) return;
  status_.of(Kind::jwt);
  std::vector<workload::JwtRequest> requests;
  requests.reserve(tokens_.size());
  for (const Token& token : tokens_) requests.push_back(token.request);
  token_source_ = std::make_unique<workload::JwtSource>(
      loop, config.agent_address, std::move(requests),
      workload::JwtSource::Callbacks{
          .on_token = [this](std::size_t index, identity::JwtSvidMaterial material,
                             std::size_t) { take_token(index, std::move(material)); },
          .on_lost = [this](std::size_t index, const workload::Lost& lost) { token_lost(index, lost); }});
}

void JwtUpdates::start() {
  bundle_source_->start();
  if (token_source_ != nullptr) token_source_->start();
}

void JwtUpdates::stop() {
  waiting_.clear();
  if (token_source_ != nullptr) token_source_->stop();
  bundle_source_->stop();
}

void JwtUpdates::agent_back() {
  if (token_source_ != nullptr) token_source_->agent_back();
}

void JwtUpdates::take_bundles(const identity::JwtBundlesMaterial& material) {
  auto& updates = status_.of(Kind::bundle);
  updates.stream_connected = true;
  auto bundles = identity::JwtBundles::from(material, callbacks_.own(), bundles_ ? &*bundles_ : nullptr);
  if (!bundles) {
    ++updates.count(UpdateResult::refused);
    const Error& error = bundles.error();
    log::Fields fields = {
        {"event", "update_refused"}, {"kind", identity::word_of(Kind::bundle)}, {"error", error.message}};
    if (!error.hint.empty()) fields.push_back({"hint", error.hint});
    troubles_.failed(kBundles, error.message,
                     {log::Level::error, "JWT bundles refused, the previous ones stay", std::move(fields)});
    return;
  }
  troubles_.ended(kBundles, "The agent's JWT bundles are accepted again",
                  {{"event", "update_accepted"}, {"kind", identity::word_of(Kind::bundle)}});
  ++updates.count(UpdateResult::accepted);
  updates.last = wall_now();
  std::set<std::string> texts;
  for (const auto& finding : bundles->findings) {
    std::string text = finding.subject + ": " + finding.message;
    log::write(known_findings_.contains(text) ? log::Level::debug : log::Level::warning, finding.message,
               {{"trust_domain", finding.subject}, {"event", "bundle_refused"}});
    texts.insert(std::move(text));
  }
  known_findings_ = std::move(texts);
  bundles_ = *std::move(bundles);
  if (bundle_file_) callbacks_.on_file(bundle_file_->name);
  choose_jwks();
  judging_.wake();
}

// The X.509-SVID is the best source; a token was at least verified.
const identity::TrustDomain* JwtUpdates::own() const {
  if (const auto* known = callbacks_.own(); known != nullptr) return known;
  for (const Token& token : tokens_) {
    if (token.svid) return &token.svid->id.trust_domain();
  }
  if (wants_any_x509(config_) || !tokens_.empty()) return nullptr;  // wait for one of them
  return lone_trust_domain(config_, *bundles_);
}

// With a JWKS without keys, its readers refuse every token; with one of another trust domain, they accept
// tokens that are not ours. So the file changes only if the agent sends our own bundle, which may be empty.
void JwtUpdates::choose_jwks() {
  if (!jwks_file_ || !bundles_) return;
  const auto missing = [this](const std::string& why, std::string hint) {
    log::Fields fields = {
        {"event", "jwks_not_updated"}, {"path", jwks_file_->name}, {"hint", std::move(hint)}};
    if (jwks_) fields.push_back({"files", "kept"});
    troubles_.failed(kOwn, why, {log::Level::error, "The JWKS is not updated: " + why, std::move(fields)});
  };
  const identity::TrustDomain* domain = own();
  if (domain == nullptr) {
    if (!wants_any_x509(config_) && tokens_.empty()) {
      missing("the agent has JWT bundles of several trust domains, and which one is ours is not known",
              "set spiffe_id, or an X.509 output such as svid_file_name");
    }
    return;
  }
  const identity::JwtBundle* bundle = bundles_->find(*domain);
  if (bundle == nullptr) {
    missing("the agent has no JWT bundle of " + quote(domain->name()), "the agent's log says more");
    return;
  }
  troubles_.ended(kOwn, "The JWKS is updated again", {{"event", "jwks_updated"}});
  jwks_ = *bundle;
  callbacks_.on_file(jwks_file_->name);
}

void JwtUpdates::own_known() {
  if (!jwks_file_ || !bundles_) return;
  const identity::TrustDomain* domain = own();
  if (domain != nullptr && (!jwks_ || jwks_->trust_domain() != *domain)) choose_jwks();
}

void JwtUpdates::take_token(std::size_t index, identity::JwtSvidMaterial material) {
  status_.of(Kind::jwt).stream_connected = true;
  if (bundles_) {
    judge(index, std::move(material));
  } else {
    waiting_.push_back({index, std::move(material)});
  }
}

void JwtUpdates::judge_next() {
  if (waiting_.empty() || token_source_ == nullptr) return;
  auto [index, material] = std::move(waiting_.front());
  waiting_.pop_front();
  judging_.wake();
  judge(index, std::move(material));
}

void JwtUpdates::judge(std::size_t index, identity::JwtSvidMaterial material) {
  Token& token = tokens_[index];
  auto& updates = status_.of(Kind::jwt);
  auto svid = identity::JwtSvid::parse_and_verify(std::move(material.token), token.request.audiences,
                                                  material.spiffe_id, *bundles_, wall_now());
  if (!svid) {
    ++updates.count(UpdateResult::refused);
    const auto retry_in = token_source_->refused(index);
    const std::string& why = svid.error().message;
    log::Fields fields = {{"event", "update_refused"},
                          {"kind", identity::word_of(Kind::jwt)},
                          {"path", token.file.name},
                          {"error", why},
                          {"retry_in", human(retry_in)}};
    if (!svid.error().hint.empty()) fields.push_back({"hint", svid.error().hint});
    troubles_.failed(trouble_of(token.file.name), token.file.name + ": " + why,
                     {log::Level::error, "JWT-SVID refused, the previous file stays", std::move(fields)});
    return;
  }
  ++updates.count(UpdateResult::accepted);
  updates.last = wall_now();
  svid->hint = std::move(material.hint);
  const WallTime expires_at = svid->expires_at;
  token.svid = *std::move(svid);
  // Published first, since the source may request the next one at once.
  callbacks_.on_file(token.file.name);
  own_known();
  token_source_->accepted(index, expires_at);
  troubles_.ended(
      trouble_of(token.file.name), "The agent issues JWT-SVIDs again",
      {{"event", "stream_restored"}, {"kind", identity::word_of(Kind::jwt)}, {"path", token.file.name}});
}

void JwtUpdates::token_lost(std::size_t index, const workload::Lost& lost) {
  if (lost.failure.kind == workload::FailureKind::not_offered) {
    token_not_offered(tokens_[index], lost);
    return;
  }
  auto& updates = status_.of(Kind::jwt);
  ++updates.count(UpdateResult::failed);
  updates.stream_connected = false;
  log::Fields fields = fields_of_loss(Kind::jwt, lost, callbacks_.end_if_fatal(Kind::jwt, lost),
                                      tokens_[index].svid.has_value());
  const std::string& name = tokens_[index].file.name;
  fields.push_back({"path", name});
  troubles_.failed(trouble_of(name), cause_of(name, lost.failure),
                   {log::Level::error, "Unable to fetch JWT SVID: " + lost.failure.cause, std::move(fields)});
}

// As in Go, this counts as a failed write.
void JwtUpdates::token_not_offered(const Token& token, const workload::Lost& lost) {
  auto& updates = status_.of(Kind::jwt);
  ++updates.count(UpdateResult::refused);
  updates.stream_connected = true;
  log::Fields fields = {
      {"event", "update_refused"}, {"path", token.file.name}, {"retry_in", human(lost.retry_in)}};
  if (!lost.failure.hint.empty()) fields.push_back({"hint", lost.failure.hint});
  troubles_.failed(
      trouble_of(token.file.name), cause_of(token.file.name, lost.failure),
      {log::Level::error, "Unable to update JWT SVID: " + lost.failure.cause, std::move(fields)});
  callbacks_.on_not_offered(token.file.name);
}

void JwtUpdates::bundles_lost(const workload::Lost& lost) {
  auto& updates = status_.of(Kind::bundle);
  updates.stream_connected = false;
  const char* what =
      config_.daemon_mode ? "Error while watching JWT bundles: " : "Error fetching JWT bundle: ";
  log::Fields fields =
      fields_of_loss(Kind::bundle, lost, callbacks_.end_if_fatal(Kind::bundle, lost), bundles_.has_value());
  troubles_.failed(kStream, "the stream: " + lost.failure.cause,
                   {log::Level::error, what + lost.failure.cause, std::move(fields)});
}

std::optional<output::File> JwtUpdates::file(const std::string& name) const {
  const auto filled = [](const output::PlannedFile& file, SecretBytes content) {
    return output::File{.name = file.name,
                        .content = std::move(content),
                        .mode = file.mode,
                        .owner = file.owner,
                        .contents = file.contents};
  };
  if (bundle_file_ && name == bundle_file_->name) {
    if (!bundles_) return std::nullopt;
    return filled(*bundle_file_, SecretBytes(output::jwt_bundle_file(*bundles_)));
  }
  if (jwks_file_ && name == jwks_file_->name) {
    if (!jwks_) return std::nullopt;
    return filled(*jwks_file_, SecretBytes(jwks_->jwks()));
  }
  const auto found = by_name_.find(name);
  if (found == by_name_.end() || !tokens_[found->second].svid) return std::nullopt;
  const Token& token = tokens_[found->second];
  return filled(token.file, token.svid->token.clone());
}

std::optional<WallTime> JwtUpdates::expires(const std::string& name) const {
  const identity::JwtSvid* svid = svid_of(name);
  return svid != nullptr ? std::optional(svid->expires_at) : std::nullopt;
}

const identity::JwtSvid* JwtUpdates::svid_of(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  const auto& svid = tokens_[found->second].svid;
  return svid ? &*svid : nullptr;
}

}  // namespace spiffe::daemon
