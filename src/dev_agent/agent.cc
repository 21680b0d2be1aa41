#include "dev_agent/agent.hh"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/text.hh"
#include "dev_agent/say.hh"
#include "dev_agent/spoilers.hh"

namespace spiffe::dev_agent {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostFederated = 10'000;
// More than the client's flow control admits within kMidMessage, less than the size that clients refuse.
constexpr std::size_t kLongMessage = std::size_t{32} * 1024 * 1024;
constexpr auto kMidMessage = 1ms;

}  // namespace

std::shared_ptr<State> make_state(const Snapshot& snapshot) {
  auto state = std::make_shared<State>();
  if (!snapshot.svids.empty()) state->serial = snapshot.svids.front().serial;
  const auto put = [&](Topic topic, const std::string& bytes) {
    State::Part& part = state->part(topic);
    part.bytes = grpc::Slice(bytes);
    part.message = grpc::ByteBuffer(&part.bytes, 1);
  };
  put(Topic::x509_svids, encode_x509_svids(snapshot));
  put(Topic::x509_bundles, encode_x509_bundles(snapshot));
  put(Topic::jwt_bundles, encode_jwt_bundles(snapshot));
  return state;
}

Result<std::unique_ptr<Agent>> Agent::create(Options options) {
  Fd send_log;
  if (!options.send_log.empty()) {
    send_log = Fd(::open(options.send_log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!send_log) return fail_errno("-send-log " + options.send_log, errno);
  }
  auto issuer = Issuer::create(
      {options.trust_domain, options.key_type, options.ttl, options.intermediate, options.cross_signed_root});
  if (!issuer) return fail(issuer.error());
  auto jwt = JwtAuthority::create();
  if (!jwt) return fail(jwt.error());
  std::unique_ptr<Agent> self(
      new Agent(std::move(options), *std::move(issuer), *std::move(jwt), std::move(send_log)));
  if (auto filled = self->fill_federated(self->options_.federated); !filled) return fail(filled.error());
  const auto& fault = self->options_.fault;
  const bool spoilt =
      fault && (fault->fault->spoil_svid != nullptr || fault->fault->spoil_message != nullptr);
  if (!spoilt) {
    if (auto first = self->rotate(); !first) return fail(first.error());
  }
  if (fault) {
    if (auto done = self->inject(*fault); !done) return fail(done.error());
  }
  self->rotate_later();
  return self;
}

Agent::Agent(Options options, Issuer issuer, JwtAuthority jwt, Fd send_log)
    : options_(std::move(options)),
      issuer_(std::move(issuer)),
      jwt_(std::move(jwt)),
      hub_(ticker_, std::move(send_log)) {}

Agent::~Agent() {
  stop();
}

void Agent::stop() {
  stopping_ = true;
  hub_.stop();
  {
    const std::lock_guard lock(mutex_);
    burst_changed_.notify_all();
  }
  if (burst_thread_.joinable()) burst_thread_.join();
  ticker_.stop();
}

void Agent::rotate_later() {
  if (options_.rotate_every == 0ns || stopping_) return;
  ticker_.after(options_.rotate_every, [this] {
    if (stopping_) return;
    if (const auto pushed = rotate(); !pushed) say("error: rotate: " + pushed.error().message);
    rotate_later();
  });
}

// ---- states

Result<Snapshot> Agent::fresh_snapshot() const {
  Snapshot snapshot;
  snapshot.trust_domain_id = options_.trust_domain.id();
  for (const Identity& identity : options_.ids) {
    Svid svid{.spiffe_id = identity.id.str(),
              .certificates = {},
              .key = {},
              .bundle = {},
              .hint = identity.hint,
              .serial = {}};
    if (auto issued = issuer_.issue(issuer_.spec(svid.spiffe_id), svid); !issued) return fail(issued.error());
    snapshot.svids.push_back(std::move(svid));
  }
  put_bundles(snapshot);
  return snapshot;
}

void Agent::put_bundles(Snapshot& snapshot) const {
  snapshot.bundle = issuer_.bundle();
  for (Svid& svid : snapshot.svids) svid.bundle = issuer_.bundle();
  snapshot.federated = federated_x509_;
  snapshot.crls = crls_;
  snapshot.jwt_bundles = federated_jwt_;
  snapshot.jwt_bundles[snapshot.trust_domain_id] = jwt_.jwks();
}

Result<Agent::Pushed> Agent::push(Snapshot snapshot, const Fault* spoiled_by) {
  auto pushed = push(make_state(snapshot), false);
  last_ = std::move(snapshot);
  spoiled_by_ = spoiled_by;
  if (!options_.quiet) {
    say(fmt::format("seq {} serial {}{}{}", pushed.seq, pushed.serial, spoiled_by != nullptr ? " " : "",
                    spoiled_by != nullptr ? spoiled_by->name : ""));
  }
  return pushed;
}

Agent::Pushed Agent::push(std::shared_ptr<State> state, bool every) {
  last_state_ = state;
  std::string serial = state->serial;
  const std::uint64_t seq = hub_.publish(std::move(state), every);
  return {seq, std::move(serial)};
}

Result<> Agent::fill_federated(std::size_t count) {
  if (count > kMostFederated) {
    return fail(ErrorKind::usage, fmt::format("at most {} federated domains", kMostFederated));
  }
  std::map<std::string, std::string> x509;
  std::map<std::string, std::string> jwt;
  for (std::size_t i = 1; i <= count; ++i) {
    const std::string domain = fmt::format("federated-{}.example", i);
    const std::string id = "spiffe://" + domain;
    // Remaining domains keep their keys.
    if (const auto known = federated_x509_.find(id); known != federated_x509_.end()) {
      x509.insert(*known);
      jwt.insert(*federated_jwt_.find(id));
      continue;
    }
    auto root = make_authority(domain + " root", id, nullptr);
    if (!root) return fail(root.error());
    auto keys = JwtAuthority::create();
    if (!keys) return fail(keys.error());
    x509[id] = der(root->certificate.get());
    jwt[id] = keys->jwks();
  }
  federated_x509_ = std::move(x509);
  federated_jwt_ = std::move(jwt);
  ++generation_;
  return {};
}

// ---- commands

Result<Agent::Pushed> Agent::rotate() {
  const std::lock_guard lock(mutex_);
  auto snapshot = fresh_snapshot();
  if (!snapshot) return fail(snapshot.error());
  return push(*std::move(snapshot), nullptr);
}

Result<Agent::Pushed> Agent::resend() {
  const std::lock_guard lock(mutex_);
  return push(std::make_shared<State>(*last_state_), false);
}

Result<Agent::Pushed> Agent::set_federated(std::size_t count) {
  const std::lock_guard lock(mutex_);
  if (auto filled = fill_federated(count); !filled) return fail(filled.error());
  return push_bundles();
}

Result<Agent::Pushed> Agent::set_crls(std::size_t count) {
  const std::lock_guard lock(mutex_);
  if (count > kMostFederated) return fail(ErrorKind::usage, "too many revocation lists");
  std::vector<std::string> crls;
  for (std::size_t i = 0; i < count; ++i) {
    auto crl = issuer_.crl();
    if (!crl) return fail(crl.error());
    crls.push_back(*std::move(crl));
  }
  crls_ = std::move(crls);
  ++generation_;
  return push_bundles();
}

Result<Agent::Pushed> Agent::rotate_authority() {
  const std::lock_guard lock(mutex_);
  if (auto made = issuer_.rotate_authority(); !made) return fail(made.error());
  ++generation_;
  auto snapshot = fresh_snapshot();
  if (!snapshot) return fail(snapshot.error());
  return push(*std::move(snapshot), nullptr);
}

Result<Agent::Pushed> Agent::rotate_jwt_authority() {
  const std::lock_guard lock(mutex_);
  if (auto made = jwt_.rotate(); !made) return fail(made.error());
  ++generation_;
  return push_bundles();
}

Result<Agent::Pushed> Agent::push_bundles() {
  Snapshot snapshot = last_;
  if (spoiled_by_ != nullptr) {
    auto fresh = fresh_snapshot();
    if (!fresh) return fail(fresh.error());
    snapshot = *std::move(fresh);
  }
  put_bundles(snapshot);
  return push(std::move(snapshot), nullptr);
}

Result<> Agent::inject(const FaultRequest& request) {
  const Fault& fault = *request.fault;
  if (fault.behave != nullptr) return fault.behave(*this, request.argument);
  const std::lock_guard lock(mutex_);
  if (fault.spoil_jwt != nullptr) {
    jwt_fault_ = &fault;
    return {};
  }
  auto snapshot = fresh_snapshot();
  if (!snapshot) return fail(snapshot.error());
  if (auto done = spoil(request, issuer_, *snapshot); !done) return done;
  if (auto pushed = push(*std::move(snapshot), &fault); !pushed) return fail(pushed.error());
  return {};
}

Result<Agent::Pushed> Agent::clear() {
  admit();
  hub_.set_delay(0ms);
  {
    const std::lock_guard lock(mutex_);
    jwt_fault_ = nullptr;
    if (spoiled_by_ == nullptr) return Pushed{hub_.seq(), hub_.serial()};
  }
  return rotate();
}

void Agent::admit() {
  hub_.refuse(std::nullopt);
  const std::lock_guard lock(mutex_);
  refusing_.clear();
}

Result<> Agent::refuse(std::string_view fault, const grpc::Status& status) {
  hub_.refuse(status);
  const std::lock_guard lock(mutex_);
  refusing_ = fault;
  return {};
}

Result<> Agent::set_delay(std::chrono::milliseconds delay) {
  hub_.set_delay(delay);
  return {};
}

Result<> Agent::drop_streams() {
  hub_.end_all(grpc::Status(grpc::StatusCode::UNAVAILABLE, "stream dropped"));
  return {};
}

Result<> Agent::disconnect() {
  connections_.close_all();
  return {};
}

Result<> Agent::close_mid_message() {
  const std::lock_guard lock(mutex_);
  Snapshot snapshot = last_;
  spoilers::pad(snapshot, kLongMessage);
  hub_.publish_once(make_state(snapshot));
  std::this_thread::sleep_for(kMidMessage);
  connections_.close_all();
  return {};
}

// ---- JWT

Result<std::vector<Agent::Token>> Agent::jwt_svids(const std::vector<std::string>& audience,
                                                   const std::string& spiffe_id) {
  const std::lock_guard lock(mutex_);
  std::vector<Token> tokens;
  for (const Identity& identity : options_.ids) {
    const std::string id = identity.id.str();
    if (!spiffe_id.empty() && id != spiffe_id) continue;
    JwtDraft draft = jwt_.draft(id, audience, options_.jwt_ttl);
    if (jwt_fault_ != nullptr) jwt_fault_->spoil_jwt(draft);
    auto token = jwt_.sign(draft);
    if (!token) return fail(token.error());
    tokens.push_back({id, *std::move(token), identity.hint});
  }
  return tokens;
}

Result<JwtAuthority::Claims> Agent::validate(const std::string& token, const std::string& audience) {
  const std::lock_guard lock(mutex_);
  return jwt_.validate(token, audience);
}

}  // namespace spiffe::dev_agent
