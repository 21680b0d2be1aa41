// Starting a program: found before the fork, exec'ed without a shell, free of everything this process has
// changed about itself.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include "base/fd.hh"
#include "base/signals.hh"
#include "process/core_dumps.hh"

namespace spiffe::process {

// Why there is no child.
enum class StartFailure {
  not_found,       // 127 to a shell
  not_executable,  // 126: there is something of that name that cannot be run
  no_resources,    // the machine's trouble and not the program's: no process, memory or descriptor is left
};

struct StartError {
  StartFailure kind = StartFailure::not_found;
  std::string message;  // as Error::message: `"foo": not found in /usr/bin:/bin`
  std::string hint = {};

  [[nodiscard]] int shell_code() const { return kind == StartFailure::not_found ? 127 : 126; }
};

// A child that runs its program. Whoever holds it reaps it.
struct Launched {
  pid_t pid = 0;
  Fd pidfd;  // readable when the child has ended; none where the system offers none
};

// The absolute or slashed path that `command` means. A name without a slash is looked up in the absolute
// directories of `search_path`; relative ones are skipped, as Go does: the working directory is no place
// for programs.
[[nodiscard]] std::expected<std::string, StartError> find_program(std::string_view command,
                                                                  std::string_view search_path);

struct LaunchOptions {
  std::vector<std::string> argv;          // argv[0] is the command, looked up in PATH of `env`
  std::vector<std::string> env;           // "NAME=value"
  FoundSignals signals = {};              // mask and dispositions of the child: those of block_signals()
  const CoreDumps* core_dumps = nullptr;  // what the child gets back; not owned
  // The child gets SIGTERM when this process dies. Tied to the thread that calls launch(), which therefore
  // must live as long as the process; lost where the program changes its user.
  bool die_with_parent = true;
  bool own_group = false;  // a process group of its own, from before its program runs
  // A descriptor of our controlling terminal: the child of an own group makes that the terminal's foreground
  // group before its program runs. A terminal that refuses stays as it is.
  int terminal = -1;
  // Where the output goes instead of ours, with stdin from /dev/null as soon as one is given. Any number,
  // even 0, 1 or 2. Not owned, open at every launch.
  int stdout_fd = -1;
  int stderr_fd = -1;
};

// Starts one command, as often as asked. The constructor does the work that need not wait for the first
// start. Main thread.
class Launcher {
 public:
  explicit Launcher(LaunchOptions options);
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Whether `options` name another program or other arguments than those given here.
  [[nodiscard]] bool starts_otherwise(const LaunchOptions& options) const;
  // LaunchOptions::terminal of the launches to come.
  void set_terminal(int fd) { options_.terminal = fd; }
  // The environment of the launches to come. The program is still looked up in the PATH of the first one.
  void set_env(std::vector<std::string> env);

  // The child has descriptors 0, 1 and 2, ours where the options say nothing else, and no other. Returns when
  // it runs its program.
  [[nodiscard]] std::expected<Launched, StartError> launch();

 private:
  // errno of exec in `error` where it failed, and then no child is left.
  struct Attempt {
    Launched child;
    int error = 0;
    bool started = false;  // false: there was no process to exec in
  };
  [[nodiscard]] Attempt attempt();
  [[nodiscard]] std::expected<void, StartError> find();
  // False with errno.
  [[nodiscard]] bool map_stack();

  LaunchOptions options_;
  std::vector<char*> argv_;  // into options_
  std::vector<char*> envp_;
  std::string search_path_;
  std::string program_;    // empty: not found yet
  void* stack_ = nullptr;  // of the child until it execs
};

}  // namespace spiffe::process
