#include <sys/sysmacros.h>

#include "cli/doctor/program.hh"
#include "support/catch.hh"

using namespace std::string_literals;
using namespace spiffe::cli;
using spiffe::config::CmdMode;
using spiffe::config::Config;
using spiffe::config::Restart;

namespace {

HelperChild child(std::string cmdline, std::string name = "x", pid_t pid = 34) {
  return {pid, std::move(cmdline), std::move(name)};
}

Config with_command(std::string cmd) {
  Config out;
  out.cmd = std::move(cmd);
  return out;
}

Finding judged(const Config& config, const HelperChildren& children, bool published = true) {
  Finding out = judge_program(config, "/usr/sbin/nginx", 12, children, published);
  CHECK(out.step == "program");
  CHECK(out.hint.empty() == (out.grade == Grade::ok));
  return out;
}

}  // namespace

TEST_CASE("doctor: a child is recognised by argv[0], by its name, or as a script of an interpreter") {
  CHECK(runs_command(child("nginx\0-g\0daemon off;\0"s), "nginx", ""));
  CHECK(runs_command(child("/usr/sbin/nginx\0"s), "nginx", ""));
  CHECK(runs_command(child("nginx: master process /usr/sbin/nginx\0"s), "/usr/sbin/nginx", ""));
  CHECK(runs_command(child("title of its own"s, "nginx"), "/usr/sbin/nginx", ""));
  CHECK(runs_command({34, std::nullopt, "a-program-of-a-"}, "/bin/a-program-of-a-long-name", ""));
  CHECK(runs_command(child("/bin/sh\0/app/run.sh\0--flag\0"s, "sh"), "run.sh", "/app/run.sh"));
  CHECK(runs_command(child("/usr/bin/awk\0-f\0/app/run.awk\0"s, "awk"), "run.awk", "/app/run.awk"));

  CHECK_FALSE(runs_command(child("pkill\0nginx\0"s, "pkill"), "nginx", "/usr/sbin/nginx"));
  CHECK_FALSE(runs_command(child("nginx-exporter\0"s, "nginx-exporter"), "nginx", ""));
  CHECK_FALSE(runs_command({34, std::nullopt, "sh"}, "nginx", ""));
  CHECK_FALSE(runs_command(child("", ""), "nginx", ""));
}

TEST_CASE("doctor: the running helper's program runs, does not run, or is not visible") {
  Config config = with_command("/usr/sbin/nginx");
  const HelperChildren none{.complete = true, .all = {}};

  const Finding up = judged(config, {.complete = false, .all = {child("nginx\0"s)}});
  CHECK(up.grade == Grade::ok);
  CHECK(up.message == "the helper (pid 12) runs, its program nginx (pid 34) too");

  const Finding down = judged(config, none);
  CHECK(down.grade == Grade::warn);
  CHECK(down.message == "the helper (pid 12) runs, but its program nginx does not");
  CHECK(down.hint.find("next rotation") != std::string::npos);
  config.restart = Restart::always;
  CHECK(judged(config, none).grade == Grade::fail);
  CHECK(judged(config, none).hint.find("next rotation") == std::string::npos);
  config.restart = Restart::never;
  config.cmd_mode = CmdMode::wrap;
  CHECK(judged(config, none).hint.find("next rotation") == std::string::npos);

  CHECK(judged(config, none, false).hint.starts_with("it starts when all files"));
}

TEST_CASE("doctor: uncertainty about the helper's program is not a failure") {
  Config config = with_command("run.sh");
  const Finding hidden = judged(config, {.complete = false, .all = {}});
  CHECK(hidden.grade == Grade::ok);
  CHECK(hidden.message ==
        "the helper (pid 12) runs, whether its program run.sh does cannot be seen from here");

  const HelperChildren other{.complete = true, .all = {child("redis-server\0"s, "redis-server")}};
  CHECK(judged(config, other).message ==
        "the helper (pid 12) runs, and its child redis-server (pid 34), which run.sh may have started");
  CHECK(judged(config, other).grade == Grade::ok);
  // A running hook is not the program.
  config.renew_cmd = {"redis-server"};
  CHECK(judged(config, other).grade == Grade::warn);
}

TEST_CASE("doctor: the holder of a lock file is found in /proc/locks") {
  struct stat file{};
  file.st_ino = 77;
  file.st_dev = makedev(0xfe, 0x10);
  const auto said = [&](std::string_view locks) { return lock_said(locks, 12, file); };
  CHECK(said("1: FLOCK  ADVISORY  WRITE 12 fe:10:77 0 EOF\n") == LockSaid::held);
  CHECK(said("1: FLOCK  ADVISORY  WRITE 13 fe:10:77 0 EOF\n") == LockSaid::held_by_another);
  CHECK(said("1: FLOCK  ADVISORY  WRITE 13 fe:10:78 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 fe:10:77 0 EOF\n") ==
        LockSaid::held);
  // Another file system, another kind of lock, a process that waits, and invalid lines.
  CHECK(said("1: FLOCK  ADVISORY  WRITE 13 fe:11:77 0 EOF\n") == LockSaid::nothing);
  CHECK(said("1: POSIX  ADVISORY  WRITE 12 fe:10:77 0 EOF\n") == LockSaid::nothing);
  CHECK(said("1: -> FLOCK  ADVISORY  WRITE 12 fe:10:77 0 EOF\n") == LockSaid::nothing);
  CHECK(said("1: FLOCK  ADVISORY\nx\n\n") == LockSaid::nothing);
}
