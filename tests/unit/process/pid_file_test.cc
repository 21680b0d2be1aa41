#include "process/pid_file.hh"

#include <algorithm>

#include "programs.hh"

namespace spiffe::process {
namespace {

using namespace std::chrono_literals;

struct PidFileFixture : LoopFixture {
  TempDir dir;
  CapturedLog log{dir};
  std::vector<bool> results;
  std::optional<PidFile> pid_file;

  PidFile& watch(std::chrono::nanoseconds first_wait = kPidFileWait, bool check = true) {
    pid_file.emplace(loop(), PidFile::Options{.path = dir / "pid",
                                              .signal = SIGUSR1,
                                              .check = check,
                                              .on_result = [this](bool sent) { results.push_back(sent); },
                                              .first_wait = first_wait});
    return *pid_file;
  }
  void write(const std::string& text) const { static_cast<void>(dir.write("pid", text)); }
  bool until_results(const std::vector<bool>& wanted) {
    return until([&] { return results == wanted; });
  }
  // How many lines of the log contain `part`.
  std::size_t lines(std::string_view part) const {
    std::istringstream in(log.text());
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) count += line.contains(part) ? 1 : 0;
    return count;
  }
};

TEST_CASE_METHOD(PidFileFixture, "every rotation signals the process of the PID file, within the call") {
  Program program(dir, kCatching);
  write(program.number() + '\n');
  PidFile& file = watch();
  file.rotated();
  CHECK(results == std::vector{true});
  REQUIRE(program.says("ready\nrenewed\n"));
  file.rotated();
  CHECK(results == std::vector{true, true});
  REQUIRE(program.says("ready\nrenewed\nrenewed\n"));
  CHECK(lines("\"level\":\"info\",\"msg\":\"PID file signalled\",\"event\":\"signalled\",\"path\":\"" +
              (dir / "pid") + "\",\"pid\":\"" + program.number() + "\",\"signal\":\"SIGUSR1\"") == 2);
}

TEST_CASE_METHOD(PidFileFixture, "a PID file that appears late is found") {
  Program program(dir, kCatching);
  PidFile& file = watch(5ms);
  file.rotated();
  CHECK(results.empty());
  REQUIRE(until([&] { return log.has("\"retry_in\":\"20ms\""); }));  // the third try failed
  write(program.number());
  REQUIRE(until_results({true}));
  CHECK(program.says("ready\nrenewed\n"));
  CHECK(lines("\"level\":\"warning\",\"msg\":\"PID file not signalled yet\"") == 1);
  CHECK(lines("\"error\":\"read " + (dir / "pid") + ": no such file or directory\"") == 3);
  CHECK_FALSE(log.has("Unable to signal PID file"));
}

TEST_CASE_METHOD(PidFileFixture, "a process that handles the signal late is signalled then") {
  // It starts no program, so it never blocks signals.
  Program program(dir,
                  "trap 'trap \"echo renewed\" USR1; echo caught' USR2; echo ready; while :; do :; done");
  write(program.number());
  PidFile& file = watch(5ms);
  file.rotated();
  CHECK(lines("it does not catch SIGUSR1, which would end it") == 1);
  ::kill(program.pid(), SIGUSR2);
  REQUIRE(until_results({true}));
  CHECK(program.says("ready\ncaught\nrenewed\n"));
}

TEST_CASE_METHOD(PidFileFixture, "a process that uses signalfd is signalled after a second check") {
  const Program program(dir, kDeaf, SIGUSR1);
  write(program.number());
  PidFile& file = watch();
  file.rotated();
  CHECK(results.empty());
  REQUIRE(until_results({true}));
  CHECK(program.runs());
  file.rotated();  // recognized, so without a second check
  CHECK(results == std::vector{true, true});
  CHECK(lines("\"level\":\"warning\"") == 0);
}

TEST_CASE_METHOD(PidFileFixture, "a file that names the wrong process at first is tried again") {
  Program program(dir, kCatching);
  write(GENERATE(std::string("0"), std::string("-1"), std::string("rubbish"), std::to_string(::getpid())));
  PidFile& file = watch(5ms);
  file.rotated();
  CHECK(results.empty());
  write(program.number());
  REQUIRE(until_results({true}));
}

TEST_CASE_METHOD(PidFileFixture, "a rotation is given up after ten tries") {
  write("rubbish");
  PidFile& file = watch(1us);
  file.rotated();
  REQUIRE(until_results({false}));
  CHECK(lines("PID file not signalled yet") == 9);
  CHECK(lines("\"level\":\"warning\"") == 1);
  CHECK(lines("\"level\":\"error\",\"msg\":\"Unable to signal PID file\"") == 1);
  CHECK(log.has("\"error\":\"parse " + (dir / "pid") + ": \\\"rubbish\\\" is not a number\""));
  CHECK(log.has("\"hint\":\"the first line of a PID file is the number of a process, and nothing else\""));
  CHECK(log.has("\"event\":\"signal_failed\""));

  file.rotated();  // the next one is tried as often, but only its failure is logged
  REQUIRE(until_results({false, false}));
  CHECK(lines("PID file not signalled yet") == 18);
  CHECK(lines("\"level\":\"warning\"") == 1);
}

TEST_CASE_METHOD(PidFileFixture, "the tries spread over 51 seconds") {
  auto wait = kPidFileWait;
  auto sum = 0ms;
  for (int i = 1; i < kPidFileTries; ++i, wait *= 2) sum += wait;
  CHECK(sum == 51100ms);
  PidFile& file = watch();
  file.rotated();
  CHECK(log.has("\"retry_in\":\"100ms\""));
}

TEST_CASE_METHOD(PidFileFixture, "a lasting error is given up at once") {
  std::filesystem::create_directory(dir / "pid");
  PidFile& file = watch();
  file.rotated();
  CHECK(results == std::vector{false});
  CHECK(log.has("\"error\":\"read " + (dir / "pid") + ": not a regular file\""));
  CHECK_FALSE(log.has("not signalled yet"));
}

TEST_CASE_METHOD(PidFileFixture, "a newer rotation replaces the one being tried, which counts as failed") {
  Program program(dir, kCatching);
  PidFile& file = watch(1h);
  for (int i = 0; i < 30; ++i) file.rotated();
  CHECK(results == std::vector<bool>(29, false));
  CHECK(lines("\"level\":\"warning\"") == 1);
  const std::string cause = "\"error\":\"read " + (dir / "pid") + ": no such file or directory\"";
  const std::string failure = "\"level\":\"error\",\"msg\":\"Unable to signal PID file\"";
  CHECK(lines(failure) == 1);
  CHECK(lines(cause) == 59);  // the others are logged at debug level
  write("rubbish");
  file.rotated();
  file.rotated();
  CHECK(lines(failure) == 2);  // logged, because the cause is another one
  write(program.number());
  file.rotated();
  REQUIRE(results.size() == 33);
  CHECK(std::ranges::count(results, true) == 1);
  REQUIRE(results.back());
  CHECK(program.says("ready\nrenewed\n"));
  file.rotated();
  CHECK(results.size() == 34);
}

TEST_CASE_METHOD(PidFileFixture,
                 "a process that blocks the signal for a moment misses no rotation if a newer one comes") {
  const Program program(dir, kDeaf, SIGUSR1);
  write(program.number());
  PidFile& file = watch();
  file.rotated();
  file.rotated();
  CHECK(results.empty());
  REQUIRE(until_results({true}));
}

TEST_CASE_METHOD(PidFileFixture, "stop() ends the tries") {
  Program program(dir, kCatching);
  PidFile& file = watch(1ms);
  file.rotated();
  file.stop();
  write(program.number());
  CHECK_FALSE(until([&] { return !results.empty(); }, 20ms));
  CHECK(program.said() == "ready\n");
}

TEST_CASE_METHOD(PidFileFixture,
                 "without the check, a process that does not handle the signal is signalled") {
  Program program(dir, kDeaf);
  write(program.number());
  PidFile& file = watch(kPidFileWait, false);
  file.rotated();
  CHECK(results == std::vector{true});
  CHECK(program.end() == SIGUSR1);
}

}  // namespace
}  // namespace spiffe::process
