#include "cli/doctor/finding.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using namespace spiffe::cli;
using spiffe::WallTime;
using spiffe::test::kNow;
using spiffe::workload::classify;

namespace {

struct stat directory(mode_t mode) {
  struct stat out{};
  out.st_mode = S_IFDIR | mode;
  return out;
}

Grade grade_of(mode_t mode, bool empty_dir = false, bool require_secure = false) {
  const struct stat info = directory(mode);
  const Finding out =
      judge_directory("certs", info, spiffe::output::writers_of(info, 0, {}), empty_dir, require_secure);
  CHECK(out.step == "cert-dir");
  CHECK(out.hint.empty() == (out.grade == Grade::ok));
  return out.grade;
}

}  // namespace

TEST_CASE("doctor: a finding is a line, and its hint another") {
  CHECK(finding_text({Grade::ok, "socket", "is there"}) == "ok    socket: is there\n");
  CHECK(finding_text({Grade::fail, "socket", "no", "look"}) == "fail  socket: no\n      hint: look\n");
  CHECK_FALSE(has_fail({{Grade::ok, "a", ""}, {Grade::warn, "b", ""}}));
  CHECK(has_fail({{Grade::fail, "a", ""}, {Grade::ok, "b", ""}}));
}

TEST_CASE("doctor: outside of the SVID's validity the clock may be the cause") {
  CHECK(judge_clock(kNow - 1min, kNow + 1h, kNow).grade == Grade::ok);
  const Finding slow = judge_clock(kNow + 1h, kNow + 2h, kNow);
  CHECK(slow.grade == Grade::fail);
  CHECK(slow.message == "the SVID is not valid for another 1h, from 2026-01-02T04:04:05Z");
  CHECK(slow.hint.starts_with("is this machine's clock slow?"));
  const Finding fast = judge_clock(kNow - 2h, kNow - 1h, kNow);
  CHECK(fast.grade == Grade::fail);
  CHECK(fast.message == "the SVID expired 1h ago, at 2026-01-02T02:04:05Z");
  CHECK(fast.hint.starts_with("is this machine's clock fast?"));
  CHECK(judge_clock(kNow, kNow + 1s, kNow).grade == Grade::ok);
  CHECK(judge_clock(kNow - 1s, kNow, kNow).grade == Grade::fail);
}

TEST_CASE("doctor: the agent's errors have the same text as in the log") {
  const auto failure = classify({7, "no identity issued"}, 0, "unix:///a");
  const Finding denied = judge_failure(failure);
  CHECK(denied.denied);
  CHECK(denied.step == "identity");
  CHECK(denied.message == "PermissionDenied: no identity issued");
  CHECK(denied.hint == failure.hint);
  const Finding other = judge_failure(classify({12, "unknown service"}, 0, "unix:///a"));
  CHECK_FALSE(other.denied);
  CHECK(other.step == "workload-api");
  CHECK(other.hint.find("does not speak") != std::string::npos);
}

TEST_CASE("doctor: a directory that others can write is a warning, except an emptyDir") {
  CHECK(grade_of(0755) == Grade::ok);
  CHECK(grade_of(0777) == Grade::warn);
  CHECK(grade_of(01777) == Grade::ok);
  CHECK(grade_of(0777, true) == Grade::ok);
  CHECK(grade_of(0777, true, true) == Grade::fail);
  CHECK(grade_of(0755, false, true) == Grade::ok);
  // The group of directory() is the helper's.
  CHECK(grade_of(0775, false, true) == Grade::ok);
  struct stat shared = directory(02770);
  shared.st_gid = 12345;
  const std::vector<gid_t> named = {12345};
  CHECK(spiffe::output::writers_of(shared, 0, named) == spiffe::output::Writers::trusted);
  const spiffe::output::Writers writers = spiffe::output::writers_of(shared, 0, {});
  CHECK(judge_directory("certs", shared, writers, false, false).grade == Grade::ok);
  const Finding refused = judge_directory("certs", shared, writers, false, true);
  CHECK(refused.grade == Grade::fail);
  CHECK(refused.message == "certs: group 12345 can write it, and require_secure_dir is set");
  struct stat file{};
  file.st_mode = S_IFREG | 0644;
  CHECK(judge_directory("certs", file, spiffe::output::Writers::trusted, false, false).grade == Grade::fail);
}

TEST_CASE("doctor: an emptyDir is recognised by its mount") {
  constexpr std::string_view kMounts =
      "22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw\n"
      "40 22 8:1 /var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/certs /certs rw - ext4 /dev/sda1 "
      "rw\n"
      "41 22 0:50 / /run/certs rw shared:7 master:2 - tmpfs tmpfs rw,size=1k\n"
      "42 22 8:1 /data /data rw - ext4 /dev/sda1 rw\n";
  CHECK(is_empty_dir(kMounts, "/certs"));
  CHECK(is_empty_dir(kMounts, "/run/certs"));
  CHECK_FALSE(is_empty_dir(kMounts, "/data"));
  CHECK_FALSE(is_empty_dir(kMounts, "/cert"));
  CHECK_FALSE(is_empty_dir(kMounts, "/"));
  CHECK_FALSE(is_empty_dir("", "/certs"));
  CHECK_FALSE(is_empty_dir("garbage", "/certs"));
}

TEST_CASE("doctor: the configuration of a helper is read from its command line") {
  CHECK(config_of("spiffe-helper\0"sv) == "helper.conf");
  CHECK(config_of("spiffe-helper\0-config\0/a.conf\0"sv) == "/a.conf");
  CHECK(config_of("spiffe-helper\0run\0--config=b.conf\0-log-level\0debug\0"sv) == "b.conf");
  CHECK(config_of("spiffe-helper\0-config=a\0--\0-config\0b\0"sv) == "a");
  CHECK(config_of("") == "helper.conf");
}
