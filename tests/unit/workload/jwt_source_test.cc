#include "workload/jwt_source.hh"

#include <map>

#include "fake_agent.hh"
#include "support/catch.hh"
#include "support/temp_dir.hh"
#include "workload/channel.hh"
#include "workload/jwt_bundle_source.hh"

using namespace std::chrono_literals;
using grpc::Status;
using grpc::StatusCode;
using spiffe::Endpoint;
using spiffe::Loop;
using spiffe::Timer;
using spiffe::wall_now;
using spiffe::identity::JwtBundlesMaterial;
using spiffe::identity::JwtSvidMaterial;
using spiffe::test::FakeAgent;
using spiffe::test::TempDir;
using spiffe::workload::FailureKind;
using spiffe::workload::JwtBundleSource;
using spiffe::workload::JwtRequest;
using spiffe::workload::JwtSource;
using spiffe::workload::Lost;

namespace {

// Serves one token, named after the audience: "token of a".
std::optional<Status> serve(const JWTSVIDRequest& request, JWTSVIDResponse& response) {
  if (request.audience(0).starts_with("hang")) return std::nullopt;
  if (request.audience(0) == "bad") return Status(StatusCode::INVALID_ARGUMENT, "no such audience");
  if (request.audience(0) == "deny") return Status(StatusCode::PERMISSION_DENIED, "no identity issued");
  JWTSVID* svid = response.add_svids();
  svid->set_spiffe_id("spiffe://example.org/web");
  svid->set_svid("token of " + request.audience(0));
  return Status::OK;
}

// A source with its loop, and all its reports.
class Bench {
 public:
  explicit Bench(std::vector<JwtRequest> requests)
      : loop_(Loop::create().value()),
        endpoint_(Endpoint::parse(path()).value()),
        source_(std::make_unique<JwtSource>(
            *loop_, endpoint_, std::move(requests),
            JwtSource::Callbacks{
                .on_token = [this](std::size_t index, JwtSvidMaterial token,
                                   std::size_t) { tokens[index] = std::string(token.token.text()); },
                .on_lost = [this](std::size_t index, const Lost& lost) { losses[index].push_back(lost); }})) {
  }

  [[nodiscard]] std::string path() const { return dir_.path() + "/agent.sock"; }
  JwtSource& source() { return *source_; }
  void drop() { source_.reset(); }

  // Runs the loop until `done` returns true, with a generous time limit; calls it every few milliseconds.
  template <class Done>
  [[nodiscard]] bool until(Done done) {
    const auto end = spiffe::BootClock::now() + 20s;
    bool good = false;
    Timer look(*loop_, [&] {
      good = done();
      if (good || spiffe::BootClock::now() > end) return loop_->stop();
      look.after(2ms);
    });
    look.after(0ms);
    loop_->run();
    return good;
  }

  std::map<std::size_t, std::string> tokens;
  std::map<std::size_t, std::vector<Lost>> losses;

 private:
  TempDir dir_;
  std::unique_ptr<Loop> loop_;
  Endpoint endpoint_;
  std::unique_ptr<JwtSource> source_;
};

JwtRequest for_audience(std::string audience) {
  return {.audiences = {std::move(audience)}, .spiffe_id = {}, .hint = {}};
}

}  // namespace

TEST_CASE("each JWT-SVID is requested with its audiences, its ID, a deadline and one header") {
  Bench fixture({{.audiences = {"a", "b", "c"}, .spiffe_id = "spiffe://example.org/web", .hint = {}},
                 for_audience("d")});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 2; }));
  CHECK(fixture.tokens[0] == "token of a");
  CHECK(fixture.tokens[1] == "token of d");
  for (const auto& seen : agent.seen()) {
    CHECK(seen.headers == 1);
    CHECK(seen.deadline);
    const bool first = seen.audiences.size() == 3;
    CHECK(seen.audiences ==
          (first ? std::vector<std::string>{"a", "b", "c"} : std::vector<std::string>{"d"}));
    CHECK(seen.spiffe_id == (first ? "spiffe://example.org/web" : ""));
  }
  CHECK(fixture.losses.empty());
}

TEST_CASE("a JWT-SVID is selected by its hint; an answer without it fails and lists the hints") {
  Bench fixture({{.audiences = {"a"}, .spiffe_id = {}, .hint = "inner"},
                 {.audiences = {"a"}, .spiffe_id = {}, .hint = "absent"}});
  FakeAgent agent(fixture.path(), [](const JWTSVIDRequest&, JWTSVIDResponse& response) {
    for (const char* hint : {"outer", "inner"}) {
      JWTSVID* svid = response.add_svids();
      svid->set_spiffe_id("spiffe://example.org/" + std::string(hint));
      svid->set_svid(hint);
      svid->set_hint(hint);
    }
    return Status::OK;
  });
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.size() + fixture.losses.size() == 2; }));
  CHECK(fixture.tokens[0] == "inner");
  CHECK(fixture.losses[1].at(0).failure.kind == FailureKind::not_offered);
  CHECK(fixture.losses[1].at(0).failure.cause.starts_with(
      "no JWT-SVID has the hint \"absent\"; the agent offers"));
}

TEST_CASE("calls that hang do not delay other JWT-SVIDs, and end with the source") {
  Bench fixture({for_audience("hang"), for_audience("a"), for_audience("hang 2"), for_audience("b")});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 2 && agent.held() == 2; }));
  CHECK(fixture.source().accepted(1, wall_now() + 1ms) == false);
  REQUIRE(fixture.until([&] { return agent.seen().size() == 5; }));
  CHECK(fixture.losses.empty());
  const auto begin = spiffe::BootClock::now();
  fixture.drop();
  CHECK(spiffe::BootClock::now() - begin < 5s);
  CHECK(fixture.until([&] { return agent.held() == 0; }));
}

TEST_CASE("at most sixteen calls are in flight") {
  std::vector<JwtRequest> requests(40, for_audience("hang"));
  Bench fixture(std::move(requests));
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return agent.held() == 16; }));
  CHECK(agent.seen().size() == 16);
  agent.release();
  REQUIRE(fixture.until([&] { return agent.seen().size() == 32; }));
  CHECK(agent.held() <= 16);
  CHECK(fixture.losses.size() == 16);
}

TEST_CASE("PermissionDenied means no identity; the return of the agent ends the wait") {
  Bench fixture({for_audience("deny"), for_audience("a")});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return !fixture.losses[0].empty() && fixture.tokens.size() == 1; }));
  const Lost& lost = fixture.losses[0].at(0);
  CHECK(lost.failure.kind == FailureKind::no_identity);
  CHECK(lost.failure.cause == "PermissionDenied: no identity issued");
  CHECK(lost.retry_in >= 1s);
  CHECK(lost.new_cause);
  CHECK_FALSE(lost.fatal);
  fixture.source().agent_back();
  REQUIRE(fixture.until([&] { return fixture.losses[0].size() == 2; }));
  CHECK_FALSE(fixture.losses[0].at(1).new_cause);
}

TEST_CASE("the refusal of one token names the request, and not only the agent's address") {
  Bench fixture({{.audiences = {"a"}, .spiffe_id = {}, .hint = {}},
                 {.audiences = {"bad"}, .spiffe_id = {}, .hint = {}}});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.contains(0) && fixture.losses.contains(1); }));
  const auto& failure = fixture.losses[1].front().failure;
  CHECK(failure.kind == FailureKind::invalid_argument);
  CHECK(failure.cause == "InvalidArgument: no such audience");
  CHECK(failure.hint.starts_with("look at the audience"));
}

TEST_CASE("a missing socket is reported once, and its creation ends the wait") {
  Bench fixture({for_audience("a"), for_audience("b")});
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.losses.size() == 2; }));
  CHECK(fixture.losses[0].at(0).failure.kind == FailureKind::unreachable);
  CHECK(fixture.losses[0].at(0).new_cause != fixture.losses[1].at(0).new_cause);
  FakeAgent agent(fixture.path(), serve);
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 2; }));
  CHECK(fixture.losses[0].size() == 1);
  CHECK(fixture.source().accepted(0, wall_now() + 60s));
  CHECK_FALSE(fixture.source().accepted(0, wall_now() + 60s));
}

TEST_CASE("an agent that was replaced behind its socket gets a new connection") {
  Bench fixture({for_audience("a")});
  auto agent = std::make_unique<FakeAgent>(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 1; }));
  agent.reset();
  agent = std::make_unique<FakeAgent>(fixture.path(), serve);
  fixture.tokens.clear();
  CHECK_FALSE(fixture.source().accepted(0, wall_now() + 1ms));
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 1; }));
  CHECK(fixture.losses.empty());
}

TEST_CASE("an answer with an empty mandatory field is discarded and reported") {
  Bench fixture({for_audience("a")});
  FakeAgent agent(fixture.path(), [](const JWTSVIDRequest&, JWTSVIDResponse& response) {
    response.add_svids()->set_spiffe_id("spiffe://example.org/web");
    return Status::OK;
  });
  fixture.source().start();
  REQUIRE(fixture.until([&] { return !fixture.losses.empty(); }));
  CHECK(fixture.losses[0].at(0).failure.cause == "svids[0] (\"spiffe://example.org/web\"): svid is empty");
}

TEST_CASE("a refused token is requested again, and the next valid one is reported as restored") {
  Bench fixture({for_audience("a")});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 1; }));
  fixture.tokens.clear();
  const auto wait = fixture.source().refused(0);
  CHECK(wait >= 1s);
  CHECK(wait <= 1200ms);
  REQUIRE(fixture.until([&] { return fixture.tokens.size() == 1; }));
  CHECK(fixture.source().accepted(0, wall_now() + 60s));
}

TEST_CASE("a source that never started ends cleanly, and so does one with answers not yet taken") {
  Bench idle({for_audience("a")});
  idle.drop();
  Bench fixture({for_audience("a"), for_audience("b")});
  FakeAgent agent(fixture.path(), serve);
  fixture.source().start();
  fixture.drop();
  CHECK(fixture.until([] { return true; }));
  CHECK(fixture.tokens.empty());
}

TEST_CASE("JWT bundles arrive as sent, and again after the stream failed") {
  const TempDir dir;
  const std::string path = dir.path() + "/agent.sock";
  const auto loop = Loop::create().value();
  FakeAgent agent(path, serve);
  agent.set_bundles({{"spiffe://example.org", "{\"keys\":[]}"}, {"b", std::string(100'000, 'x')}});
  std::vector<JwtBundlesMaterial> updates;
  int lost = 0;
  int restored = 0;
  Timer patience(*loop, [&] { loop->stop(); });
  patience.after(20s);
  JwtBundleSource source(*loop, Endpoint::parse(path).value(),
                         {.on_update =
                              [&](JwtBundlesMaterial material) {
                                updates.push_back(std::move(material));
                                if (updates.size() == 2) loop->stop();
                              },
                          .on_lost = [&](const Lost&) { ++lost; },
                          .on_restored = [&] { ++restored; }});
  source.start();
  loop->run();
  REQUIRE(updates.size() == 2);
  CHECK(updates[0] ==
        JwtBundlesMaterial{{"spiffe://example.org", "{\"keys\":[]}"}, {"b", std::string(100'000, 'x')}});
  CHECK(updates[1] == updates[0]);
  CHECK(lost >= 1);
  CHECK(restored == 1);
}
