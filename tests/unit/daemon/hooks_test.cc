#include "unit/daemon/consumers.hh"

namespace spiffe::daemon {
namespace {

using health::HookKind;
using identity::Kind;
using process::read_all;
using std::chrono::milliseconds;

// Consumers whose prepare_cmd appends "prepare" to "out", where its program writes as well, and then runs
// `script`. Runs of renew_cmd append to "renewed".
struct HooksFixture : ConsumersFixture {
  void prepare_with(const std::string& script) {
    config.prepare_cmd = {"/bin/sh", "-c", "cd " + dir.path() + "; echo prepare >> out; " + script};
  }
  void renew() {
    config.renew_cmd = {"/bin/sh", "-c", "echo $SPIFFE_HELPER_CHANGED >> " + (dir / "renewed")};
  }
  void touch(const char* name) { static_cast<void>(dir.write(name, "")); }
  std::string renewed() const { return read_all(dir / "renewed"); }
  const health::Hook& hook(HookKind kind) { return status.of(kind); }
};

const std::string kWait = "while [ ! -e go ]; do sleep 0.01; done; ";

TEST_CASE_METHOD(HooksFixture, "consumers are not notified before prepare_cmd has succeeded") {
  prepare_with("[ -e good ]");
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until([&] { return log.has("prepare_cmd_failed"); }));
  CHECK(log.has("prepare_cmd exited with code 1; the program is not started until it succeeds"));
  CHECK(status.child.starts == 0);
  CHECK_FALSE(consumers->notified());
  CHECK(hook(HookKind::prepare).failure == "exited with code 1");
  touch("good");
  REQUIRE(until_out("prepare\nprepare\nready\n"));  // the retry
  CHECK(consumers->notified());
  CHECK(hook(HookKind::prepare).failure.empty());
  CHECK(hook(HookKind::prepare).succeeded == 1);
  CHECK(hook(HookKind::prepare).failed == 1);
  consumers->changed({Kind::x509});
  REQUIRE(until_out("prepare\nprepare\nready\nprepare\nrenewed\n"));
}

TEST_CASE_METHOD(HooksFixture, "a running program is not notified of files that are not prepared") {
  prepare_with("[ ! -e bad ]");
  renew();
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("prepare\nready\n"));
  touch("bad");
  consumers->changed({Kind::jwt});
  REQUIRE(until([&] { return log.has("prepare_cmd_failed"); }));
  CHECK(log.has("the program is not notified of the new files until it succeeds"));
  CHECK(status.signals == decltype(status.signals){});
  std::filesystem::remove(dir / "bad");
  consumers->changed({Kind::bundle});  // a new publication does not wait for the retry
  REQUIRE(until([&] { return renewed() == "jwt,bundle\n"; }));
  REQUIRE(until_out("prepare\nready\nprepare\nprepare\nrenewed\n"));
}

TEST_CASE_METHOD(HooksFixture,
                 "an overtaken run of prepare_cmd notifies no consumer, but not twice in a row") {
  prepare_with(kWait + "rm go");
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("prepare\n"));
  consumers->changed({Kind::x509});
  touch("go");
  REQUIRE(until_out("prepare\nprepare\n"));  // the first run may have read files of both publications
  CHECK_FALSE(consumers->notified());
  consumers->changed({Kind::x509});
  touch("go");
  REQUIRE(until([&] { return consumers->notified(); }));
  CHECK(status.child.starts == 1);
  touch("go");
  REQUIRE(until([&] { return out().ends_with("renewed\n"); }));
  CHECK(hook(HookKind::prepare).succeeded == 3);
}

TEST_CASE_METHOD(HooksFixture, "renew_cmd runs for a running program, and after the start if configured") {
  renew();
  config.renew_signal = 0;
  config.on_rotate = config::OnRotate::none;
  SECTION("not after the start") {
    assemble();
    consumers->changed({Kind::x509});
    REQUIRE(until_out("ready\n"));
    consumers->changed({Kind::jwt});
    REQUIRE(until([&] { return renewed() == "jwt\n"; }));
  }
  SECTION("after the start") {
    config.renew_cmd_at_start = true;
    assemble();
    consumers->changed({Kind::x509});
    REQUIRE(until([&] { return renewed() == "x509\n"; }));
    CHECK(status.child.starts == 1);
  }
  SECTION("not after a restart") {
    config.on_rotate = config::OnRotate::restart;
    assemble();
    consumers->changed({Kind::x509});
    REQUIRE(until_out("ready\n"));
    consumers->changed({Kind::jwt});
    REQUIRE(until_out("ready\nready\n"));
    CHECK(hook(HookKind::renew).succeeded + hook(HookKind::renew).failed == 0);
    CHECK_FALSE(log.has("renew_cmd_started"));
  }
  SECTION("after a restart") {
    config.on_rotate = config::OnRotate::restart;
    config.renew_cmd_at_start = true;
    assemble();
    consumers->changed({Kind::x509});
    REQUIRE(until([&] { return renewed() == "x509\n"; }));
    consumers->changed({Kind::jwt});
    CHECK(renewed() == "x509\n");
    REQUIRE(until([&] { return renewed() == "x509\njwt\n"; }));
    CHECK(status.child.starts == 2);
  }
  SECTION("without a program at once") {
    config.cmd.clear();
    assemble();
    consumers->changed({Kind::x509});
    REQUIRE(until([&] { return renewed() == "x509\n"; }));
  }
}

TEST_CASE_METHOD(HooksFixture, "renew_cmd waits for a signal that waits for its handler") {
  renew();
  config.cmd_args = {"-c", "cd " + dir.path() +
                               "; echo ready >> out; while [ ! -e go ]; do sleep 0.01; done; "
                               "trap 'echo renewed >> out' USR1; while :; do sleep 0.01; done"};
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  consumers->changed({Kind::x509});
  CHECK_FALSE(log.has("renew_cmd_started"));
  touch("go");
  REQUIRE(until([&] { return renewed() == "x509\n"; }));
  const std::string text = log.text();
  CHECK(text.find("child signalled") < text.find("renew_cmd started"));
  CHECK(status.child.signal == health::SignalResult::sent);
}

TEST_CASE_METHOD(HooksFixture, "the end stops a run of prepare_cmd, and the program never starts") {
  prepare_with("trap '' TERM; touch up; " + kWait);
  config.stop_timeout = milliseconds(100);
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until([&] { return std::filesystem::exists(dir / "up"); }));
  consumers->terminate(SIGTERM);
  REQUIRE(until([&] { return !ends.empty(); }));
  CHECK(log.has("prepare_cmd was killed by SIGKILL, because the helper ends"));
  CHECK(status.child.starts == 0);
  CHECK(hook(HookKind::prepare).failed == 0);
}

TEST_CASE_METHOD(HooksFixture, "a new configuration waits for its prepare_cmd") {
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  prepare_with(kWait);
  config.cmd_args[1] = "cd " + dir.path() + "; echo other >> out; exec sleep 60";
  REQUIRE(consumers->reconfigure(config));
  REQUIRE(until_out("ready\nprepare\n"));
  CHECK(status.child.starts == 1);
  CHECK(status.child.exits == 0);
  SECTION("that succeeds") {
    touch("go");
    REQUIRE(until_out("ready\nprepare\nother\n"));
  }
  SECTION("and not for one that is gone") {
    config.prepare_cmd.clear();
    REQUIRE(consumers->reconfigure(config));
    REQUIRE(until_out("ready\nprepare\nother\n"));
    CHECK_FALSE(hook(HookKind::prepare).configured);
    REQUIRE(until([&] { return log.has("because the configuration has another one"); }));
  }
  SECTION("but a program that is not wanted any more does not") {
    config.cmd.clear();
    REQUIRE(consumers->reconfigure(config));
    REQUIRE(until([&] { return status.child.exits == 1; }));
    CHECK(hook(HookKind::prepare).succeeded == 0);
  }
  CHECK(status.child.starts <= 2);
}

TEST_CASE_METHOD(HooksFixture, "the same prepare_cmd does not run again for a new configuration") {
  prepare_with("true");
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("prepare\nready\n"));
  config.cmd_args[1] = "cd " + dir.path() + "; echo other >> out; exec sleep 60";
  REQUIRE(consumers->reconfigure(config));
  REQUIRE(until_out("prepare\nready\nother\n"));
}

TEST_CASE_METHOD(HooksFixture,
                 "one-shot runs prepare_cmd, then renew_cmd, and its exit code reports the result") {
  config.daemon_mode = false;
  config.renew_cmd_once = true;
  renew();
  int expected = 0;
  std::string run = "x509\n";
  SECTION("well") {
    prepare_with("true");
  }
  SECTION("badly") {
    prepare_with("exit 3");
    expected = 1;
    run = "";
  }
  SECTION("not in time") {
    prepare_with("exec sleep 60");
    config.prepare_cmd_timeout = milliseconds(50);
    expected = 1;
    run = "";
  }
  SECTION("interrupted") {
    prepare_with("exec sleep 60");
    expected = 1;
    run = "";
  }
  assemble();
  consumers->run_once({Kind::x509});
  REQUIRE(until_out("prepare\n"));
  if (config.prepare_cmd[2].ends_with("60") && config.prepare_cmd_timeout > milliseconds(50)) {
    consumers->terminate(SIGTERM);
  }
  REQUIRE(until([&] { return !ends.empty(); }));
  CHECK(ends == std::vector{expected});
  CHECK(renewed() == run);
  CHECK(status.child.starts == 0);
}

}  // namespace
}  // namespace spiffe::daemon
