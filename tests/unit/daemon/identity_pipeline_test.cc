#include "daemon/identity_pipeline.hh"

#include "daemon/settings.hh"
#include "support/catch.hh"
#include "support/pki.hh"
#include "unit/daemon/judged_update.hh"

using namespace std::chrono_literals;
using spiffe::Loop;
using spiffe::daemon::IdentityPipeline;
using spiffe::daemon::test::judged;
using spiffe::health::WriteState;
using spiffe::output::Change;
using spiffe::workload::X509Rules;
using spiffe::workload::X509Update;
namespace test = spiffe::test;

namespace {

spiffe::config::Config with_files() {
  spiffe::config::Config config;
  config.x509.names = {
      {"svid_file_name", "svid.pem"}, {"svid_key_file_name", "key.pem"}, {"svid_bundle_file_name", "b.pem"}};
  return config;
}

// A pipeline, and the requests to its queue.
struct PipelineFixture {
  explicit PipelineFixture(spiffe::config::Config given = with_files()) : config(std::move(given)) {
    pipeline.expect();
  }

  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  spiffe::config::Config config;
  spiffe::output::FilePlan plan = spiffe::daemon::plan_of(config)->x509;
  spiffe::health::Status status;
  std::size_t prepared = 0;  // number of files
  int confirmed = 0;
  int dismissed = 0;
  std::vector<std::string> withdrawn;
  std::vector<bool> written;  // the `expected` arguments
  IdentityPipeline pipeline{
      *loop,
      config,
      {},
      plan,
      status,
      {},
      {.prepare = [this](const auto& render) { prepared = render()->files.files.size(); },
       .confirm = [this] { ++confirmed; },
       .dismiss = [this] { ++dismissed; },
       .withdraw =
           [this](std::vector<std::string> names) {
             withdrawn = std::move(names);
             loop->stop();
           },
       .on_written = [this](bool expected) { written.push_back(expected); }}};

  // Does the queue's part: returns the number of files to write.
  std::size_t publish(Change change) {
    const auto content = pipeline.render();
    if (!content || !*content) return 0;
    pipeline.on_disk(change, (*content)->identity);
    return (*content)->files.files.size();
  }
};

}  // namespace

TEST_CASE("a message becomes files, and only then is their identity published") {
  const test::Ca ca;
  PipelineFixture fixture;
  CHECK(fixture.pipeline.unwritten());
  CHECK_FALSE(fixture.pipeline.render().has_value());
  fixture.pipeline.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  CHECK(fixture.confirmed == 1);
  CHECK(fixture.pipeline.published() == nullptr);
  CHECK(fixture.status.x509->state == WriteState::unwritten);
  CHECK(fixture.publish(Change::published) == 3);
  CHECK(fixture.pipeline.published()->svid.id.str() == "spiffe://example.org/a");
  CHECK(fixture.status.x509->state == WriteState::written);
  CHECK(fixture.written == std::vector{true});
}

TEST_CASE("content already on disk is reported once, and other content each time") {
  const test::Ca ca;
  PipelineFixture fixture;
  fixture.pipeline.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  fixture.publish(Change::unchanged);
  fixture.publish(Change::unchanged);
  CHECK(fixture.written == std::vector{true});
  fixture.publish(Change::published);
  CHECK(fixture.written == std::vector{true, false});
}

TEST_CASE("a failed write is reported until one succeeds") {
  const test::Ca ca;
  PipelineFixture fixture;
  fixture.pipeline.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  fixture.pipeline.on_failed();
  CHECK(fixture.status.x509->state == WriteState::failed);
  fixture.publish(Change::published);
  CHECK(fixture.status.x509->state == WriteState::written);
}

TEST_CASE("a denied identity loses its key, until the next accepted message") {
  const test::Ca ca;
  auto config = with_files();
  config.revoke = spiffe::config::Revoke::remove;
  config.revoke_after = 0ns;
  PipelineFixture fixture(config);
  fixture.pipeline.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  fixture.publish(Change::published);
  fixture.pipeline.lost(true);
  fixture.loop->run();
  CHECK(fixture.withdrawn == std::vector<std::string>{"key.pem"});
  CHECK(fixture.status.x509->state == WriteState::unwritten);
  CHECK_FALSE(fixture.pipeline.render().has_value());
  fixture.pipeline.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  CHECK(fixture.publish(Change::published) == 3);
}

TEST_CASE("a stream that fails for another reason does not remove the key") {
  auto config = with_files();
  config.revoke = spiffe::config::Revoke::remove;
  config.revoke_after = 0ns;
  PipelineFixture fixture(config);
  fixture.pipeline.lost(true);
  fixture.pipeline.lost(false);
  spiffe::Timer end(*fixture.loop, [&] { fixture.loop->stop(); });
  end.after(1ms);
  fixture.loop->run();
  CHECK(fixture.withdrawn.empty());
}

TEST_CASE("files are prepared while a message is verified, and dismissed if it is refused") {
  const test::Ca ca;
  PipelineFixture fixture;
  const auto good = judged(test::material(ca, "spiffe://example.org/a"));
  fixture.pipeline.announce(*good);
  CHECK(fixture.prepared == 3);
  CHECK_FALSE(fixture.pipeline.render().has_value());
  fixture.pipeline.receive(*good);
  CHECK(fixture.confirmed == 1);
  auto stolen = test::material(ca, "spiffe://example.org/b");
  stolen.svids[0].key = test::Key::generate().pkcs8();
  const auto bad = judged(std::move(stolen));
  fixture.pipeline.announce(*bad);
  fixture.pipeline.receive(*bad);
  CHECK(fixture.confirmed == 1);
  CHECK(fixture.dismissed == 1);
  CHECK(fixture.pipeline.refused());
  CHECK(fixture.pipeline.current()->svid.id.str() == "spiffe://example.org/a");
}

TEST_CASE("files prepared for an earlier configuration are dismissed") {
  PipelineFixture fixture;
  fixture.pipeline.reconfigured();
  CHECK(fixture.dismissed == 1);
}
