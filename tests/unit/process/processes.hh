// Shared by the tests with real processes.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "process/environment.hh"
#include "process/launcher.hh"
#include "support/catch.hh"

namespace spiffe::process {

// A directory, removed with everything in it.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "spiffe-process-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string operator/(std::string_view name) const { return path_ + '/' + std::string(name); }
  const std::string& path() const { return path_; }

  std::string write(std::string_view name, std::string_view text, mode_t mode = 0644) const {
    const std::string path = *this / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

 private:
  std::string path_;
};

inline std::string read_all(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// A loop, and functions that wait on it.
class LoopFixture {
 public:
  LoopFixture() : loop_(std::move(Loop::create().value())), tick_(*loop_, [this] { check(); }) {}

  Loop& loop() { return *loop_; }

  // Runs the loop until `done`, for at most `patience`; false if that was too short.
  bool until(std::function<bool()> done, std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    done_ = std::move(done);
    deadline_ = BootClock::now() + patience;
    if (done_()) return true;
    tick_.after(std::chrono::milliseconds(1));
    loop_->run();
    return std::exchange(reached_, false);
  }

 private:
  void check() {
    reached_ = done_();
    if (reached_ || BootClock::now() > deadline_) return loop_->stop();
    tick_.after(std::chrono::milliseconds(1));
  }

  std::unique_ptr<Loop> loop_;
  std::function<bool()> done_;
  bool reached_ = false;
  BootTime deadline_;
  Timer tick_;
};

// The log of a test, as JSON lines in a file of `dir`.
class CapturedLog {
 public:
  explicit CapturedLog(const TempDir& dir)
      : path_(dir / "log"), fd_(::open(path_.c_str(), O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600)) {
    log::configure(log::Level::debug, log::Format::json, fd_.get());
  }
  ~CapturedLog() { log::configure(log::Level::info, log::Format::text); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  std::string text() const { return read_all(path_); }
  bool has(std::string_view part) const { return text().contains(part); }

 private:
  std::string path_;
  Fd fd_;
};

// Options to run `argv` with the environment of the test and no blocked signals.
inline LaunchOptions launch_options(std::vector<std::string> argv) {
  return {.argv = std::move(argv), .env = child_environment(environ, {})};
}

inline LaunchOptions shell(const std::string& script) {
  return launch_options({"/bin/sh", "-c", script});
}

// While this object exists, the process can open no descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{.rlim_cur = 3, .rlim_max = before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

// Whether a process runs. A zombie does not, whichever process must reap it.
inline bool alive(pid_t pid) {
  const std::string stat = read_all("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat[name_end + 2] != 'Z' && stat[name_end + 2] != 'X';
}

// Waits for a child started without a loop and returns its waitpid(2) status.
inline int wait_for(pid_t pid) {
  int status = -1;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return status;
}

}  // namespace spiffe::process
