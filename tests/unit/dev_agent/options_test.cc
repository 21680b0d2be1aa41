#include "dev_agent/options.hh"

#include "support/catch.hh"

using namespace spiffe;
using namespace spiffe::dev_agent;
using namespace std::chrono_literals;

namespace {

identity::TrustDomain example() {
  return identity::TrustDomain::parse("example.org").value();
}

}  // namespace

TEST_CASE("durations are written as Go writes them") {
  CHECK(parse_duration("90s").value() == 90s);
  CHECK(parse_duration("1h30m").value() == 90min);
  CHECK(parse_duration("1.5s").value() == 1500ms);
  CHECK(parse_duration("250ms").value() == 250ms);
  CHECK(parse_duration("10us").value() == 10us);
  CHECK(parse_duration("0").value() == 0s);
}

TEST_CASE("text that is not a duration is refused") {
  for (const char* text : {"", "1", "s", "-1s", "1d", "1s ", "nan", "infs", "1e3s", "1000000h"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("an identity is a SPIFFE ID or a path, with a hint or without") {
  CHECK(parse_identity("spiffe://example.org/web", example())->id.str() == "spiffe://example.org/web");
  CHECK(parse_identity("/web", example())->id.str() == "spiffe://example.org/web");
  CHECK(parse_identity("a/b", example())->id.str() == "spiffe://example.org/a/b");
  const auto hinted = parse_identity("/db,hint=internal", example());
  CHECK(hinted->id.str() == "spiffe://example.org/db");
  CHECK(hinted->hint == "internal");
}

TEST_CASE("an identity outside the trust domain, or without a path, is refused") {
  for (const char* text :
       {"spiffe://elsewhere.org/web", "spiffe://example.org", "https://example.org/x", "//", ""}) {
    INFO(text);
    CHECK_FALSE(parse_identity(text, example()));
  }
}

TEST_CASE("the default rotation is at half the lifetime") {
  Flags flags;
  flags.socket = "/s";
  flags.ttl = "10m";
  CHECK(Options::from(flags)->rotate_every == 5min);
  flags.rotate_every = "0";
  CHECK(Options::from(flags)->rotate_every == 0s);
  flags.rotate_every = "3s";
  CHECK(Options::from(flags)->rotate_every == 3s);
}

TEST_CASE("an error names the flag") {
  Flags flags;
  flags.socket = "/s";
  flags.key_type = "dsa";
  CHECK(Options::from(flags).error().message == "-key-type: no key type is called \"dsa\"");
  flags.key_type = "ed25519";
  flags.fault = "wrong-kee";
  CHECK(Options::from(flags).error().message == "-fault: no fault is called \"wrong-kee\"");
  CHECK(Options::from(flags).error().hint == "did you mean \"wrong-key\"?");
}
