#include "process/signal_use.hh"

#include <sys/syscall.h>

#include "process/proc.hh"
#include "processes.hh"

namespace spiffe::process {
namespace {

TEST_CASE("what a process does with a signal is read from its status") {
  const std::string status =
      "Name:\tx\nSigPnd:\t0000000000000200\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"
      "SigCgt:\t0000000000000002\n";
  CHECK(signal_use(status, SIGHUP) == SignalUse::blocked);
  CHECK(signal_use(status, SIGPIPE) == SignalUse::ignored);
  CHECK(signal_use(status, SIGINT) == SignalUse::handled);
  CHECK(signal_use(status, SIGUSR1) == SignalUse::none);  // pending does not mean handled
  CHECK(signal_use(status, SIGRTMAX) == SignalUse::none);
  CHECK(signal_use("Name:\tx\n", SIGUSR1) == SignalUse::handled);  // unknown
  CHECK(signal_use(::getpid(), SIGUSR1) == SignalUse::none);
}

TEST_CASE("the set that a process waits for is the first argument of its call") {
  const std::string call = std::to_string(SYS_rt_sigtimedwait);
  CHECK(awaited_set(call + " 0x7ffced435d90 0x0 0x0 0x8 0x0 0x0 0x7ffced435c20 0x7ffb6f65ac2f\n") ==
        0x7ffced435d90);
  for (const std::string& other :
       {std::string(), std::string("running\n"), std::string("-1 0x7ffc 0x7ffb\n"), call + "1 0x7ffc 0x0\n",
        "1" + call + " 0x7ffc 0x0\n", call + "\n", call + " 0x", call + " 0xx"}) {
    CAPTURE(other);
    CHECK(awaited_set(other) == std::nullopt);
  }
}

TEST_CASE_METHOD(LoopFixture, "a process in sigwait blocks the signals that it waits for") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signo : {SIGUSR1, SIGUSR2}) sigaddset(&set, signo);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    sigdelset(&set, SIGUSR2);
    while (sigwaitinfo(&set, nullptr) < 0) {
    }
    ::_exit(0);
  }
  const std::string call = std::to_string(SYS_rt_sigtimedwait) + ' ';
  REQUIRE(until([&] { return read_proc(pid, "syscall").value_or("").starts_with(call); }));
  CHECK(signal_use(*read_proc(pid, "status"), SIGUSR1) == SignalUse::none);
  CHECK(signal_use(pid, SIGUSR1) == SignalUse::blocked);
  CHECK(signal_use(pid, SIGUSR2) == SignalUse::blocked);
  CHECK(signal_use(pid, SIGHUP) == SignalUse::none);
  ::kill(pid, SIGUSR1);
  CHECK(wait_for(pid) == 0);
}

}  // namespace
}  // namespace spiffe::process
