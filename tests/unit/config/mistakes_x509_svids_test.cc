// Mistakes in x509_svids, each with its whole message and hint.
#include "config/identities.hh"
#include "config/outputs.hh"
#include "support/catch.hh"
#include "unit/config/support.hh"

using spiffe::config::test::check_mistakes;
using spiffe::config::test::Mistake;

namespace {

// clang-format off
constexpr Mistake kEntries[] = {
    {"no selection",
     "helper.conf", R"(x509_svids = [{ dir = "web", svid_combined_file_name = "a.pem" }])",
     "helper.conf:1:15: x509_svids[0] needs hint or spiffe_id",
     "which of the agent's identities is it?"},
    {"two selections",
     "helper.conf", R"(x509_svids = [{ dir = "web", hint = "a", spiffe_id = "spiffe://example.org/b" }])",
     "helper.conf:1:54: x509_svids[0].hint and x509_svids[0].spiffe_id are both set: use one of them",
     ""},
    {"not a SPIFFE ID",
     "helper.conf", R"(x509_svids = [{ dir = "web", spiffe_id = "example.org/web" }])",
     R"(helper.conf:1:42: x509_svids[0].spiffe_id: invalid SPIFFE ID "example.org/web": the scheme must be spiffe)",
     ""},
    {"a prefix within the trust domain",
     "helper.conf", R"(x509_svids = [{ dir = "web", spiffe_id = "spiffe://example*" }])",
     R"(helper.conf:1:42: x509_svids[0].spiffe_id "spiffe://example*" has no path)",
     "write it as spiffe://example.org/path, or spiffe://example.org/* for any in a trust domain"},
    {"everything",
     "helper.conf", R"(x509_svids = [{ dir = "web", spiffe_id = "*" }])",
     R"(helper.conf:1:42: x509_svids[0].spiffe_id "*" has no path)",
     "write it as spiffe://example.org/path, or spiffe://example.org/* for any in a trust domain"},
    {"no directory",
     "helper.conf", R"(x509_svids = [{ hint = "web", svid_combined_file_name = "a.pem" }])",
     "helper.conf:1:15: x509_svids[0] needs dir",
     "a directory below cert_dir, for this identity alone"},
    {"no output",
     "helper.conf", R"(x509_svids = [{ hint = "web", dir = "web" }])",
     "helper.conf:1:15: x509_svids[0] writes no file",
     "set svid_file_name, svid_key_file_name and svid_bundle_file_name in it"},
    {"a third of the three",
     "helper.conf", R"(x509_svids = [{ hint = "web", dir = "web", svid_file_name = "a" }])",
     "helper.conf:1:61: x509_svids[0].svid_file_name is set, but svid_key_file_name and svid_bundle_file_name are not",
     "set all of svid_file_name, svid_key_file_name and svid_bundle_file_name, or none"},
    {"a directory outside",
     "helper.conf", R"(x509_svids = [{ hint = "web", dir = "../web", svid_combined_file_name = "a.pem" }])",
     R"(helper.conf:1:37: x509_svids[0].dir "../web" leads out of cert_dir)",
     ""},
    {"no directory of its own",
     "helper.conf", R"(x509_svids = [{ hint = "web", dir = ".", svid_combined_file_name = "a.pem" }])",
     R"(helper.conf:1:37: x509_svids[0].dir "." is cert_dir itself: name a directory below it)",
     ""},
    {"a name that leads out",
     "helper.conf", R"(x509_svids = [{ hint = "web", dir = "web", svid_combined_file_name = "../a.pem" }])",
     R"(helper.conf:1:70: x509_svids[0].svid_combined_file_name "../a.pem" leads out of x509_svids[0].dir)",
     ""},
    {"one directory for two",
     "helper.conf", R"(x509_svids = [
  { hint = "a", dir = "web", svid_combined_file_name = "a.pem" },
  { hint = "b", dir = "./web", svid_combined_file_name = "b.pem" },
])",
     R"(helper.conf:3:23: x509_svids[0].dir and x509_svids[1].dir are the same directory, "web")",
     ""},
    {"a directory in another's",
     "helper.conf", R"(x509_svids = [
  { hint = "a", dir = "web", svid_combined_file_name = "a.pem" },
  { hint = "b", dir = "web/b", svid_combined_file_name = "b.pem" },
])",
     "helper.conf:3:23: x509_svids[1].dir lies below x509_svids[0].dir, a directory of its own",
     ""},
    {"a file in an entry's directory",
     "helper.conf", R"(svid_combined_file_name = "web/all.pem"
x509_svids = [{ hint = "a", dir = "web", svid_combined_file_name = "a.pem" }]
)",
     "helper.conf:2:35: svid_combined_file_name lies below x509_svids[0].dir, a directory of its own",
     ""},
    {"one file twice",
     "helper.conf", R"(x509_svids = [{ hint = "a", dir = "web", svid_combined_file_name = "a", bundle_map_file_name = "a" }])",
     R"(helper.conf:1:68: x509_svids[0].bundle_map_file_name and x509_svids[0].svid_combined_file_name are the same file, "web/a")",
     ""},
    {"a PID file without a signal",
     "helper.conf", R"(x509_svids = [{ hint = "a", dir = "web", svid_combined_file_name = "a", pid_file_name = "p" }])",
     "helper.conf:1:89: x509_svids[0].pid_file_name needs renew_signal, the signal to send",
     R"(set renew_signal in it, as in renew_signal = "SIGHUP")"},
    {"a PID file in one-shot",
     "helper.conf", R"(daemon_mode = false
x509_svids = [{ hint = "a", dir = "web", svid_combined_file_name = "a", pid_file_name = "p", renew_signal = "HUP" }]
)",
     "helper.conf:2:89: x509_svids[0].pid_file_name works in daemon mode only, and daemon_mode is false",
     "remove the key"},
    {"a typo",
     "helper.conf", R"(x509_svids = [{ hint = "a", dirr = "web" }])",
     R"(helper.conf:1:29: unknown key "dirr" in x509_svids[0]; did you mean "dir"?)",
     ""},
    {"a key of the whole helper",
     "helper.conf", R"(x509_svids = [{ hint = "a", layout = "files" }])",
     R"(helper.conf:1:29: unknown key "layout" in x509_svids[0])",
     ""},
};
// clang-format on

using spiffe::config::test::load_text;

constexpr const char* kTwo = R"(
cert_dir = "/certs"
group = 7
key_owner = 8
svid_combined_file_name = "all.pem"
x509_svids = [
  { hint = "web", dir = "web", svid_combined_file_name = "all.pem", key_format = "sec1", key_owner = 9,
    renew_signal = "HUP", pid_file_name = "/run/web.pid", renew_cmd = "reload web" },
  { spiffe_id = "spiffe://example.org/db/*", dir = "of/db", bundle_map_file_name = "map.json" },
]
)";

}  // namespace

TEST_CASE("an invalid entry of x509_svids is refused with a valid alternative") {
  check_mistakes(kEntries);
}

TEST_CASE("an entry is a configuration of its own, below cert_dir") {
  const auto loaded = load_text({.text = kTwo});
  REQUIRE(loaded.has_value());
  const auto& config = loaded->config;
  REQUIRE(config.x509_svids.size() == 2);
  const auto web = config_of(config, config.x509_svids[0]);
  CHECK(web.cert_dir == "/certs/web");
  CHECK(web.x509.names == spiffe::output::OutputNames{{"svid_combined_file_name", "all.pem"}});
  CHECK(web.x509.options.key_format == spiffe::output::KeyFormat::sec1);
  CHECK(web.ownership.group == 7U);
  CHECK(web.ownership.key_owner == 9U);
  CHECK(web.pid_file_name == "/run/web.pid");
  CHECK(web.renew_cmd.size() == 2);
  const auto db = config_of(config, config.x509_svids[1]);
  CHECK(db.ownership.key_owner == 8U);
  CHECK(db.renew_cmd.empty());
  std::vector<std::string> paths;
  for (const auto& each : output_paths(config)) paths.push_back(each.path);
  CHECK(paths == std::vector<std::string>{"/certs/all.pem", "/certs/web/all.pem", "/certs/of/db/map.json"});
}

TEST_CASE("a change of a key that an entry does not use does not change its configuration") {
  const auto before = load_text({.text = kTwo});
  auto after = load_text({.text = kTwo});
  REQUIRE((before.has_value() && after.has_value()));
  after->config.cmd = "program";
  after->config.x509.names.clear();
  after->config.x509_svids[1].dir = "db";
  const auto of = [](const spiffe::config::Config& config, std::size_t index) {
    return config_of(config, config.x509_svids[index]);
  };
  CHECK(of(before->config, 0) == of(after->config, 0));
  CHECK_FALSE(of(before->config, 1) == of(after->config, 1));
}
