#include "process/launcher.hh"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/result.hh"
#include "base/text.hh"

namespace spiffe::process {

namespace {

constexpr std::size_t kStackSize = std::size_t{128} * 1024;  // the guard page, up to 64 KiB, is part of it

// The flags of vfork: no page table is copied, which keeps a start under a millisecond however much memory
// gRPC has mapped, and the parent is suspended until the exec.
#ifdef __SANITIZE_THREAD__
// Thread sanitizer marks the cloned thread, in its own memory, as a fork's child that it no longer observes.
// With shared memory it would mark the parent's thread.
constexpr int kCloneFlags = CLONE_VFORK | SIGCHLD;
#else
constexpr int kCloneFlags = CLONE_VM | CLONE_VFORK | SIGCHLD;
#endif

// The data that the child needs between clone and exec.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* envp;
  const sigset_t* mask;
  const sigset_t* ignored;
  const rlimit* core_limit;
  pid_t parent;
  bool die_with_parent;
  bool own_group;
  int terminal;
  int stdout_fd;
  int stderr_fd;
  int error_fd;  // above 2
};

// The child's functions never return, and the next child runs on the same stack: AddressSanitizer would take
// its variables for those of the previous child.
[[gnu::no_sanitize_address]] void close_on_exec_from(unsigned first) {
  if (::syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  // Before Linux 5.11. All our descriptors have the flag already; this is for those inherited at the start.
  for (int fd = static_cast<int>(first); fd < 1024; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

[[gnu::no_sanitize_address]] void set_dispositions(const sigset_t& ignored) {
  struct sigaction action{};
  for (int signo = 1; signo < NSIG; ++signo) {
    action.sa_handler = ::sigismember(&ignored, signo) == 1 ? SIG_IGN : SIG_DFL;
    ::sigaction(signo, &action, nullptr);  // KILL, STOP and the C library's own are refused
  }
}

[[gnu::no_sanitize_address]] void take_foreground(int terminal) {
  sigset_t ttou;
  ::sigemptyset(&ttou);
  ::sigaddset(&ttou, SIGTTOU);
  ::sigprocmask(SIG_BLOCK, &ttou, nullptr);  // the new group is in the background until tcsetpgrp()
  ::tcsetpgrp(terminal, ::getpid());
}

// Returns false with errno. The copies above 2 are for sources that are also targets.
[[gnu::no_sanitize_address]] bool redirect(int stdout_fd, int stderr_fd) {
  if (stdout_fd < 0 && stderr_fd < 0) return true;
  const int out = stdout_fd < 0 ? -1 : ::fcntl(stdout_fd, F_DUPFD_CLOEXEC, 3);
  const int err = stderr_fd < 0 ? -1 : ::fcntl(stderr_fd, F_DUPFD_CLOEXEC, 3);
  if ((stdout_fd >= 0 && out < 0) || (stderr_fd >= 0 && err < 0)) return false;
  ::close(STDIN_FILENO);
  if (::open("/dev/null", O_RDONLY) != STDIN_FILENO) return false;  // the lowest free number is used
  if (out >= 0 && ::dup2(out, STDOUT_FILENO) < 0) return false;
  return err < 0 || ::dup2(err, STDERR_FILENO) >= 0;
}

// Runs in the child, which shares the memory of its suspended parent: only async-signal-safe calls, no
// allocation, and no write to the parent's variables.
[[gnu::no_sanitize_address]] int run(void* argument) {
  const Plan& plan = *static_cast<const Plan*>(argument);
  // Before the mask is restored, so that no handler of the parent ever runs here.
  set_dispositions(*plan.ignored);
  if (plan.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != plan.parent) ::_exit(127);  // the parent died before the line above
  }
  if (plan.own_group) ::setpgid(0, 0);
  if (plan.own_group && plan.terminal >= 0) take_foreground(plan.terminal);
  if (plan.core_limit != nullptr) ::setrlimit(RLIMIT_CORE, plan.core_limit);
  if (redirect(plan.stdout_fd, plan.stderr_fd)) {
    close_on_exec_from(3);
    ::sigprocmask(SIG_SETMASK, plan.mask, nullptr);
    ::execve(plan.program, plan.argv, plan.envp);
  }
  const int error = errno;
  [[maybe_unused]] const auto n = ::write(plan.error_fd, &error, sizeof error);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

std::string path_of(const std::vector<std::string>& env) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string& entry : env) {
    if (entry.starts_with(kName)) return entry.substr(kName.size());
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

// The errno that the child reported, 0 if exec closed the pipe.
int read_error(int fd) {
  int error = 0;
  ssize_t n = 0;
  do {
    n = ::read(fd, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  return n == sizeof error ? error : 0;
}

// The errno that executing `path` would give, 0 if it seems possible.
int check_program(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

// Limits of the machine, its user or its container, which may be over in a moment. They affect clone(),
// pipe2(), dup and execve(); execve() returns EAGAIN if a user has more processes than RLIMIT_NPROC.
bool is_shortage(int error) {
  return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

StartError start_error(const std::string& program, int error) {
  StartError out{StartFailure::not_executable, quote(program) + ": " + errno_text(error)};
  if (is_shortage(error)) {
    out.kind = StartFailure::no_resources;
    out.hint =
        "raise the limit that is reached: pids.max or memory.max of the container, ulimit -u, -n or -v";
  }
  if (error == ENOENT || error == ENOTDIR) out.kind = StartFailure::not_found;
  if (error == ENOEXEC) {
    out.hint = "a script needs a first line like #!/bin/sh, a program must be built for this machine";
  }
  return out;
}

}  // namespace

std::expected<std::string, StartError> find_program(std::string_view command, std::string_view search_path) {
  if (command.contains('/')) {
    std::string path(command);
    if (const int error = check_program(path)) return std::unexpected(start_error(path, error));
    return path;
  }
  std::string refused;
  int why = 0;
  for (std::string_view rest = search_path; !command.empty() && !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string_view dir = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    if (!dir.starts_with('/')) continue;
    std::string path = std::string(dir) + '/' + std::string(command);
    const int error = check_program(path);
    if (error == 0) return path;
    if (error == ENOENT || error == ENOTDIR || !refused.empty()) continue;
    refused = std::move(path);
    why = error;
  }
  if (!refused.empty()) return std::unexpected(start_error(refused, why));
  return std::unexpected(StartError{StartFailure::not_found,
                                    quote(command) + ": not found in " + escape(search_path),
                                    "give the whole path, or set PATH for the helper"});
}

Launcher::Launcher(LaunchOptions options)
    : options_(std::move(options)),
      argv_(pointers(options_.argv)),
      envp_(pointers(options_.env)),
      search_path_(path_of(options_.env)) {
  // launch() reports failures, and tries again.
  static_cast<void>(map_stack());
  static_cast<void>(find());
}

Launcher::~Launcher() {
  if (stack_ != nullptr) ::munmap(stack_, kStackSize);
}

bool Launcher::map_stack() {
  if (stack_ != nullptr) return true;
  void* const mapped =
      ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) return false;
  stack_ = mapped;
  ::mprotect(stack_, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), PROT_NONE);
  return true;
}

bool Launcher::starts_otherwise(const LaunchOptions& options) const {
  return options.argv != options_.argv;
}

void Launcher::set_env(std::vector<std::string> env) {
  options_.env = std::move(env);
  envp_ = pointers(options_.env);
}

std::expected<void, StartError> Launcher::find() {
  auto found = find_program(options_.argv.front(), search_path_);
  if (!found) {
    program_.clear();
    return std::unexpected(std::move(found.error()));
  }
  program_ = std::move(*found);
  return {};
}

std::expected<Launched, StartError> Launcher::launch() {
  if (program_.empty()) {
    if (auto found = find(); !found) return std::unexpected(std::move(found.error()));
  }
  Attempt first = attempt();
  if (first.error == 0) return std::move(first.child);
  if (!first.started || is_shortage(first.error)) {
    return std::unexpected(start_error(options_.argv.front(), first.error));
  }
  // The program may have moved since it was found.
  const std::string tried = program_;
  if (auto found = find(); !found) return std::unexpected(std::move(found.error()));
  if (program_ != tried) {
    Attempt second = attempt();
    if (second.error == 0) return std::move(second.child);
    if (!second.started) return std::unexpected(start_error(options_.argv.front(), second.error));
    first.error = second.error;
  }
  StartError error = start_error(program_, first.error);
  if (first.error == ENOENT) {
    error.kind = StartFailure::not_executable;
    error.hint = "it is there: the interpreter in its first line, or its dynamic loader, is missing";
  }
  return std::unexpected(std::move(error));
}

// The child's error comes through a pipe and not through the memory: see kCloneFlags.
Launcher::Attempt Launcher::attempt() {
  if (!map_stack()) return {.child = {}, .error = errno};
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return {.child = {}, .error = errno};
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  // If this process was started with one of the three closed, the pipe may have its number.
  if (writer.get() <= STDERR_FILENO) writer = Fd(::fcntl(writer.get(), F_DUPFD_CLOEXEC, 3));
  if (!writer) return {.child = {}, .error = errno};
  Plan plan{.program = program_.c_str(),
            .argv = argv_.data(),
            .envp = envp_.data(),
            .mask = &options_.signals.mask,
            .ignored = &options_.signals.ignored,
            .core_limit = options_.core_dumps != nullptr ? options_.core_dumps->found_limit() : nullptr,
            .parent = ::getpid(),
            .die_with_parent = options_.die_with_parent,
            .own_group = options_.own_group,
            .terminal = options_.terminal,
            .stdout_fd = options_.stdout_fd,
            .stderr_fd = options_.stderr_fd,
            .error_fd = writer.get()};
  int pidfd = -1;
  char* const top = static_cast<char*>(stack_) + kStackSize;
  if (options_.core_dumps != nullptr) options_.core_dumps->open_filter();
  pid_t pid = ::clone(run, top, kCloneFlags | CLONE_PIDFD, &plan, &pidfd);
  // For sandboxes without pidfd.
  if (pid < 0 && !is_shortage(errno)) pid = ::clone(run, top, kCloneFlags, &plan);
  const int clone_error = errno;
  Attempt out{.child = {.pid = pid, .pidfd = Fd(pid > 0 ? pidfd : -1)}};
  writer.reset();
  if (pid > 0) out.error = read_error(reader.get());
  if (options_.core_dumps != nullptr) options_.core_dumps->close_filter();
  out.started = pid > 0;
  if (pid < 0) out.error = clone_error;
  if (out.started && out.error != 0) ::waitpid(pid, nullptr, 0);
  return out;
}

}  // namespace spiffe::process
