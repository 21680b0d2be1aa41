#include "dev_agent/service.hh"

#include <optional>

#include <nlohmann/json.hpp>

#include "workload.grpc.pb.h"

namespace spiffe::dev_agent {

namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using grpc::Status;
using grpc::StatusCode;
using Struct = google::protobuf::Struct;
using Value = google::protobuf::Value;
using nlohmann::json;

// A stream that ends before its first message.
class Ended final : public grpc::ServerWriteReactor<ByteBuffer> {
 public:
  explicit Ended(const Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

bool has_header(const CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("workload.spiffe.io");
  return std::distance(first, last) == 1 && first->second == "true";
}

void put(const json& from, Value& to);

void put(const json& from, Struct& to) {
  for (const auto& [key, value] : from.items()) put(value, (*to.mutable_fields())[key]);
}

void put(const json& from, Value& to) {
  switch (from.type()) {
    case json::value_t::object:
      put(from, *to.mutable_struct_value());
      break;
    case json::value_t::array:
      to.mutable_list_value();
      for (const json& element : from) put(element, *to.mutable_list_value()->add_values());
      break;
    case json::value_t::string:
      to.set_string_value(from.get<std::string>());
      break;
    case json::value_t::boolean:
      to.set_bool_value(from.get<bool>());
      break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      to.set_number_value(from.get<double>());
      break;
    default:
      to.set_null_value(google::protobuf::NULL_VALUE);
  }
}

// Streams are raw: a message is serialised once for all of them. All methods use callbacks, also those of
// WIT-SVIDs (which answer Unimplemented), because one synchronous method would create a thread pool.
using Base = SpiffeWorkloadAPI::WithRawCallbackMethod_FetchX509SVID<
    SpiffeWorkloadAPI::WithRawCallbackMethod_FetchX509Bundles<
        SpiffeWorkloadAPI::WithRawCallbackMethod_FetchJWTBundles<
            SpiffeWorkloadAPI::WithCallbackMethod_FetchJWTSVID<
                SpiffeWorkloadAPI::WithCallbackMethod_ValidateJWTSVID<
                    SpiffeWorkloadAPI::WithCallbackMethod_FetchWITSVID<
                        SpiffeWorkloadAPI::WithCallbackMethod_FetchWITBundles<
                            SpiffeWorkloadAPI::Service>>>>>>>;

class Service final : public Base {
 public:
  explicit Service(Agent& agent) : agent_(agent) {}

  grpc::ServerWriteReactor<ByteBuffer>* FetchX509SVID(CallbackServerContext* context,
                                                      const ByteBuffer*) override {
    ++agent_.counters().x509_svids;
    return stream(*context, Topic::x509_svids);
  }

  grpc::ServerWriteReactor<ByteBuffer>* FetchX509Bundles(CallbackServerContext* context,
                                                         const ByteBuffer*) override {
    ++agent_.counters().x509_bundles;
    return stream(*context, Topic::x509_bundles);
  }

  grpc::ServerWriteReactor<ByteBuffer>* FetchJWTBundles(CallbackServerContext* context,
                                                        const ByteBuffer*) override {
    ++agent_.counters().jwt_bundles;
    return stream(*context, Topic::jwt_bundles);
  }

  grpc::ServerUnaryReactor* FetchJWTSVID(CallbackServerContext* context, const JWTSVIDRequest* request,
                                         JWTSVIDResponse* response) override {
    ++agent_.counters().jwt_svids;
    Agent::AtOnce& at_once = agent_.counters().jwt_svids_at_once;
    at_once.begin();
    const auto refused = refusal(*context);
    return finish(*context, refused ? *refused : fetch_jwt(*request, *response), &at_once);
  }

  grpc::ServerUnaryReactor* ValidateJWTSVID(CallbackServerContext* context,
                                            const ValidateJWTSVIDRequest* request,
                                            ValidateJWTSVIDResponse* response) override {
    ++agent_.counters().validations;
    const auto refused = refusal(*context);
    return finish(*context, refused ? *refused : validate(*request, *response));
  }

 private:
  std::optional<Status> refusal(const CallbackServerContext& context) {
    if (!has_header(context)) {
      ++agent_.counters().without_header;
      return Status(StatusCode::INVALID_ARGUMENT, "security header missing from request");
    }
    auto refused = agent_.hub().refusal();
    if (refused) ++agent_.counters().refused;
    return refused;
  }

  grpc::ServerWriteReactor<ByteBuffer>* stream(const CallbackServerContext& context, Topic topic) {
    if (const auto refused = refusal(context)) return new Ended(*refused);
    return agent_.hub().add(topic);
  }

  grpc::ServerUnaryReactor* finish(CallbackServerContext& context, const Status& status,
                                   Agent::AtOnce* at_once = nullptr) {
    grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
    const auto finish_now = [reactor, status, at_once] {
      // Before the caller gets the answer and calls again.
      if (at_once != nullptr) at_once->end();
      reactor->Finish(status);
    };
    const auto delay = agent_.hub().delay();
    if (delay.count() == 0) {
      finish_now();
    } else {
      agent_.ticker().after(delay, finish_now);
    }
    return reactor;
  }

  Status fetch_jwt(const JWTSVIDRequest& request, JWTSVIDResponse& response) {
    const std::vector<std::string> audience(request.audience().begin(), request.audience().end());
    if (audience.empty()) return {StatusCode::INVALID_ARGUMENT, "audience must be specified"};
    const auto tokens = agent_.jwt_svids(audience, request.spiffe_id());
    if (!tokens) return {StatusCode::UNAVAILABLE, tokens.error().message};
    if (tokens->empty()) return {StatusCode::PERMISSION_DENIED, "no identity issued"};
    for (const Agent::Token& token : *tokens) {
      JWTSVID* svid = response.add_svids();
      svid->set_spiffe_id(token.spiffe_id);
      svid->set_svid(token.token);
      svid->set_hint(token.hint);
    }
    return Status::OK;
  }

  Status validate(const ValidateJWTSVIDRequest& request, ValidateJWTSVIDResponse& response) {
    if (request.audience().empty()) return {StatusCode::INVALID_ARGUMENT, "audience must be specified"};
    if (request.svid().empty()) return {StatusCode::INVALID_ARGUMENT, "svid must be specified"};
    const auto claims = agent_.validate(request.svid(), request.audience());
    if (!claims) return {StatusCode::INVALID_ARGUMENT, claims.error().message};
    response.set_spiffe_id(claims->subject);
    put(json::parse(claims->json, nullptr, false), *response.mutable_claims());
    return Status::OK;
  }

  Agent& agent_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_service(Agent& agent) {
  return std::make_unique<Service>(agent);
}

}  // namespace spiffe::dev_agent
