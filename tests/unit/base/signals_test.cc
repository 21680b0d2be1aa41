#include "base/signals.hh"

#include "support/catch.hh"

using namespace spiffe;

TEST_CASE("signals are read by name or number, in any case") {
  for (const char* text : {"SIGHUP", "HUP", "sighup", "Hup", "1"}) {
    CAPTURE(text);
    CHECK(parse_signal(text) == SIGHUP);
  }
  CHECK(parse_signal("USR1") == SIGUSR1);
  CHECK(parse_signal("SIGTERM") == SIGTERM);
  CHECK(parse_signal("SIGCLD") == SIGCHLD);
  CHECK(parse_signal("SIGPOLL") == SIGIO);
  CHECK(parse_signal("SIGIOT") == SIGABRT);
}

TEST_CASE("real-time signals count from either end") {
  CHECK(parse_signal("SIGRTMIN") == SIGRTMIN);
  CHECK(parse_signal("rtmin+3") == SIGRTMIN + 3);
  CHECK(parse_signal("SIGRTMAX") == SIGRTMAX);
  CHECK(parse_signal("RTMAX-2") == SIGRTMAX - 2);
  CHECK(parse_signal(std::to_string(SIGRTMIN)) == SIGRTMIN);
  CHECK(parse_signal(std::to_string(SIGRTMAX)) == SIGRTMAX);
}

TEST_CASE("text that is not a signal is refused and shown") {
  for (const char* text : {"", "SIG", "HUPP", "SIGSIGHUP", "0", "-1", "+1", "32", "33", "65", "1x", " HUP",
                           "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN+99", "RTMIN+-1", "RTMINX"}) {
    CAPTURE(text);
    const auto parsed = parse_signal(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::config);
  }
  CHECK(parse_signal("HUPP").error().message == "no signal is called \"HUPP\"");
  CHECK(parse_signal("99").error().message == "no signal has the number 99");
  CHECK(parse_signal("a\n").error().message == "no signal is called \"a\\n\"");
}

TEST_CASE("signals have names") {
  CHECK(signal_name(SIGHUP) == "SIGHUP");
  CHECK(signal_name(SIGRTMIN) == "SIGRTMIN");
  CHECK(signal_name(SIGRTMIN + 3) == "SIGRTMIN+3");
  CHECK(signal_name(32) == "signal 32");
  CHECK(signal_name(0) == "signal 0");
  CHECK(signal_name(-1) == "signal -1");
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (number == 32 || number == 33) continue;  // the C library's own
    CHECK(parse_signal(signal_name(number)) == number);
  }
}
