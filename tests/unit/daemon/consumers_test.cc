#include "unit/daemon/consumers.hh"

namespace spiffe::daemon {
namespace {

using identity::Kind;
using process::read_all;
using std::chrono::milliseconds;

using Fixture = ConsumersFixture;

TEST_CASE_METHOD(Fixture, "all are notified in order: the program, the PID file, renew_cmd") {
  const std::string pid_file = dir / "pid";
  config.renew_cmd = {"/bin/sh", "-c", "echo \"$SPIFFE_HELPER_CHANGED\" >> " + (dir / "changed")};
  config.pid_file_name = pid_file;
  config.renew_signal = SIGWINCH;  // harmless: does not wait for a handler
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  static_cast<void>(dir.write("pid", std::to_string(::getppid())));
  consumers->changed({Kind::x509, Kind::jwt});
  // Not at the start, since the program has just read the files.
  REQUIRE(until([&] { return read_all(dir / "changed") == "x509,jwt\n"; }));
  REQUIRE(until([&] { return log.has("PID file signalled"); }));
  const std::string text = log.text();
  CHECK(text.find("child started") < text.find("child signalled"));
  CHECK(text.find("child signalled") < text.find("PID file signalled"));
  CHECK(text.find("PID file signalled") < text.find("renew_cmd started"));
  CHECK(status.child.starts == 1);
}

TEST_CASE_METHOD(Fixture, "changes in quick succession are notified together") {
  config.renew_debounce = milliseconds(150);
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));  // at once
  for (int i = 0; i < 5; ++i) consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\nrenewed\n"));
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\nrenewed\nrenewed\n"));
}

TEST_CASE_METHOD(Fixture, "continuous changes are notified within a limit") {
  config.renew_debounce = milliseconds(50);
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  REQUIRE(until([&] {  // called every millisecond
    consumers->changed({Kind::x509});
    return out() == "ready\nrenewed\n";
  }));
}

TEST_CASE_METHOD(Fixture, "a random wait is bounded") {
  config.renew_splay = milliseconds(100);
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\nrenewed\n"));
}

TEST_CASE_METHOD(Fixture, "a program that a new configuration removes is stopped, and can be added again") {
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until_out("ready\n"));
  config::Config without = config;
  without.cmd.clear();
  REQUIRE(consumers->reconfigure(without));
  SECTION("later") {
    // The child is removed in a turn of the loop after the one in which it ends.
    REQUIRE(until([&] { return !status.child.configured; }));
    CHECK_FALSE(status.child.up);
    consumers->changed({Kind::x509});
    CHECK_FALSE(status.child.configured);
    CHECK(status.child.starts == 1);
  }
  SECTION("while it is being stopped") {
    consumers->changed({Kind::x509});
  }
  REQUIRE(consumers->reconfigure(config));
  REQUIRE(until_out("ready\nready\n"));
  CHECK(status.child.starts == 2);
  CHECK(ends.empty());
  consumers->terminate(SIGTERM);
  REQUIRE(until([&] { return !ends.empty(); }));
}

TEST_CASE_METHOD(Fixture, "a program added by a new configuration starts if the files exist") {
  config::Config with = config;
  config.cmd.clear();
  assemble();
  SECTION("at once") {
    consumers->changed({Kind::x509});
    REQUIRE(consumers->reconfigure(with));
  }
  SECTION("or with them") {
    REQUIRE(consumers->reconfigure(with));
    CHECK(status.child.starts == 0);
    consumers->changed({Kind::x509});
  }
  REQUIRE(until_out("ready\n"));
}

TEST_CASE_METHOD(Fixture, "on_end is called once, after everything has ended") {
  config.renew_cmd = {"/bin/sh", "-c", "echo run >> " + (dir / "run") + "; exec sleep 60"};
  config.renew_cmd_at_start = true;
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until([&] { return read_all(dir / "run") == "run\n"; }));
  REQUIRE(until_out("ready\n"));
  consumers->terminate(SIGTERM);
  REQUIRE(until([&] { return !ends.empty(); }));
  CHECK(ends == std::vector{0});
  CHECK(log.has("child_exited"));
  consumers->terminate(SIGTERM);
  CHECK(ends.size() == 1);
}

TEST_CASE_METHOD(Fixture, "the end of a wrapped program ends the consumers") {
  config.cmd_mode = config::CmdMode::wrap;
  config.cmd_args = {"-c", "exit 7"};
  assemble();
  consumers->changed({Kind::x509});
  REQUIRE(until([&] { return !ends.empty(); }));
  CHECK(ends == std::vector{7});
}

TEST_CASE_METHOD(Fixture, "one-shot ends with the result of renew_cmd") {
  config.daemon_mode = false;
  SECTION("without one") {
    config.renew_cmd.clear();
  }
  SECTION("that is not for one-shot") {
    config.renew_cmd = {"false"};
  }
  SECTION("that works") {
    config.renew_cmd = {"true"};
    config.renew_cmd_once = true;
  }
  int expected = 0;
  SECTION("that fails") {
    config.renew_cmd = {"false"};
    config.renew_cmd_once = true;
    expected = 1;
  }
  assemble();
  consumers->run_once({Kind::x509});
  REQUIRE(until([&] { return !ends.empty(); }));
  CHECK(ends == std::vector{expected});
  CHECK(status.child.starts == 0);
}

}  // namespace
}  // namespace spiffe::daemon
