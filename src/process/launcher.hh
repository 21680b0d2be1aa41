// Starts a program: found before the fork, executed without a shell, with everything restored that this
// process has changed about itself.
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
  not_found,       // reported as 127 by a shell
  not_executable,  // 126: the file exists but cannot be run
  no_resources,    // not the fault of the program: no process, memory or descriptor is available
};

struct StartError {
  StartFailure kind = StartFailure::not_found;
  std::string message;  // as Error::message: `"foo": not found in /usr/bin:/bin`
  std::string hint = {};

  [[nodiscard]] int shell_code() const { return kind == StartFailure::not_found ? 127 : 126; }
};

// A child that runs its program. The owner must reap it.
struct Launched {
  pid_t pid = 0;
  Fd pidfd;  // readable when the child has ended; none if the system has no pidfd
};

// The absolute path or path with a slash for `command`. A name without a slash is looked up in the absolute
// directories of `search_path`. Relative ones are skipped, as in Go: programs must not come from the working
// directory.
[[nodiscard]] std::expected<std::string, StartError> find_program(std::string_view command,
                                                                  std::string_view search_path);

struct LaunchOptions {
  std::vector<std::string> argv;          // argv[0] is the command, looked up in PATH of `env`
  std::vector<std::string> env;           // "NAME=value"
  FoundSignals signals = {};              // the child's mask and dispositions, from block_signals()
  const CoreDumps* core_dumps = nullptr;  // restored in the child; not owned
  // The child gets SIGTERM when this process dies. It is bound to the thread that calls launch(), which must
  // therefore live as long as the process. Lost if the program changes its user.
  bool die_with_parent = true;
  bool own_group = false;  // a process group of its own, set before its program runs
  // A descriptor of our controlling terminal: the group of a child with `own_group` becomes the terminal's
  // foreground group before its program runs. If the terminal refuses, nothing changes.
  int terminal = -1;
  // Where the output goes instead of to ours; if either is given, stdin is /dev/null. Any number is allowed,
  // even 0, 1 or 2. Not owned; must be open at every launch.
  int stdout_fd = -1;
  int stderr_fd = -1;
};

// Starts one command, repeatedly. The constructor does the work that can be done before the first start. Main
// thread.
class Launcher {
 public:
  explicit Launcher(LaunchOptions options);
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Whether `options` name another program or other arguments than those of this object.
  [[nodiscard]] bool starts_otherwise(const LaunchOptions& options) const;
  // Sets LaunchOptions::terminal for later launches.
  void set_terminal(int fd) { options_.terminal = fd; }
  // Sets the environment for later launches. The program is still looked up in the PATH of the first one.
  void set_env(std::vector<std::string> env);

  // The child has only the descriptors 0, 1 and 2, which are ours unless the options set others. Returns when
  // it runs its program.
  [[nodiscard]] std::expected<Launched, StartError> launch();

 private:
  // `error` is the errno of a failed exec; then there is no child.
  struct Attempt {
    Launched child;
    int error = 0;
    bool started = false;  // false if there was no process for the exec
  };
  [[nodiscard]] Attempt attempt();
  [[nodiscard]] std::expected<void, StartError> find();
  // Returns false with errno.
  [[nodiscard]] bool map_stack();

  LaunchOptions options_;
  std::vector<char*> argv_;  // into options_
  std::vector<char*> envp_;
  std::string search_path_;
  std::string program_;    // empty: not found yet
  void* stack_ = nullptr;  // the child's stack until it execs
};

}  // namespace spiffe::process
