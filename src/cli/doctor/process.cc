#include "cli/doctor/process.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/endpoint.hh"
#include "base/fd.hh"
#include "base/signals.hh"
#include "base/text.hh"
#include "cli/doctor/program.hh"
#include "cli/text/cat.hh"
#include "daemon/settings.hh"
#include "health/listener.hh"
#include "process/child_machine.hh"
#include "process/launcher.hh"
#include "process/pid_signal.hh"
#include "process/proc.hh"
#include "workload/socket_probe.hh"

namespace spiffe::cli {

namespace {

// Whether the kernel can start it. It must be a program, or a script whose first line names an interpreter
// that can be started.
bool check_first_line(const char* step, const std::string& program, Findings& out) {
  std::array<char, 256> first{};
  const Fd fd(::open(program.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const ssize_t size = fd ? ::read(fd.get(), first.data(), first.size()) : -1;
  if (size < 0) return true;  // may be executable without being readable
  std::string_view line(first.data(), static_cast<std::size_t>(size));
  if (line.starts_with("\x7f"
                       "ELF"))
    return true;
  if (!line.starts_with("#!")) {
    add(out, Grade::fail, step, escape(program) + ": exec format error",
        "a script needs a first line like #!/bin/sh, a program must be built for this machine");
    return false;
  }
  line = line.substr(2, line.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::string interpreter(line.substr(0, line.find_first_of(" \t")));
  if (::access(interpreter.c_str(), X_OK) == 0) return true;
  const std::string why = errno_text(errno);
  add(out, Grade::fail, step, cat({escape(program), ": its interpreter ", quote(interpreter), ": ", why}),
      interpreter.ends_with('\r')
          ? "its lines end as on Windows: write it without the carriage returns"
          : "correct the first line of the script, or put the interpreter into the image");
  return false;
}

void check_program(const char* step, const std::string& program, Findings& out) {
  if (program.empty()) return;
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): the environment does not change
  const auto found = process::find_program(program, path != nullptr ? path : "");
  if (found) {
    if (!check_first_line(step, *found, out)) return;
    add(out, Grade::ok, step, escape(*found));
    return;
  }
  const process::StartError& error = found.error();
  std::string_view hint = error.hint;
  if (hint.empty()) {
    hint = error.kind != process::StartFailure::not_found
               ? "name a program that this user may run: chmod +x it where it is one"
           : program.find(' ') != std::string::npos
               ? "it is taken as one name, blanks and all: its arguments are a list of their own"
               : "is it in this image? name it with its whole path";
  }
  add(out, Grade::fail, step, error.message, hint);
}

void check_signal(const config::Config& config, const RunningHelper& helper, Findings& out) {
  const int signal = config.renew_signal;
  if (signal == 0) return;
  const auto child = find_program_of(config, helper);
  if (!child) return;
  const std::string who = "process " + std::to_string(*child);
  const std::string name = signal_name(signal);
  const process::SignalUse use = process::signal_use(*child, signal);
  const bool ignored = use == process::SignalUse::ignored;
  if (!ignored && (use != process::SignalUse::none || !process::is_deadly(signal))) {
    add(out, Grade::ok, "renew-signal", cat({who, " takes ", name}));
    return;
  }
  const std::string what = ignored ? "ignores " + name : "does not catch " + name + ", which would end it";
  out.push_back({ignored ? Grade::warn : Grade::fail, "renew-signal",
                 cat({who, " (", escape(config.cmd), ") ", what}),
                 "which signal makes it reload? set renew_signal to that, or on_rotate = \"restart\""});
}

void check_pid_file(const config::Config& config, Findings& out) {
  const std::string& path = config.pid_file_name;
  if (path.empty()) return;
  const auto found = process::PidSignal(path, config.renew_signal, config.pid_file_check).look();
  if (found) {
    add(out, Grade::ok, "pid-file", cat({escape(path), " is of process ", std::to_string(*found)}));
    return;
  }
  const process::Refusal& refusal = found.error();
  const bool deaf = refusal.cause == process::RefusalCause::not_caught;
  std::string hint = "the file is stale: does the program run, and write its number there?";
  // If the process was checked and refused, this hint would suggest to skip the check.
  if (!refusal.error.hint.empty() && refusal.cause == process::RefusalCause::other) hint = refusal.error.hint;
  if (refusal.error.sys == ENOENT)
    hint = "does the program run, and write its number there? is the path shared with it?";
  if (refusal.error.sys == EACCES) hint = cat({"let user ", std::to_string(::geteuid()), " read it"});
  if (deaf) hint = "which signal makes it reload? set renew_signal to that";
  add(out, refusal.usual ? Grade::ok : Grade::fail, deaf ? "renew-signal" : "pid-file", refusal.error.message,
      hint);
}

void check_port(const health::Server::Tcp& tcp, Findings& out) {
  const auto listener = health::Listener::tcp(tcp.address, tcp.port);
  if (listener) {
    add(out, Grade::ok, "health", listener->name() + " is free");
  } else {
    add(out, Grade::fail, "health", listener.error().message, listener.error().hint);
  }
}

// Does not bind the socket, since that would create it.
void check_health_socket(const std::string& path, Findings& out) {
  const std::string shown = escape(path);
  const auto fail_with = [&](const std::string& why, std::string_view hint) {
    add(out, Grade::fail, "health", cat({"health checks: listen on ", shown, ": ", why}), hint);
  };
  const auto endpoint = Endpoint::parse(path);
  if (!endpoint) return fail_with(endpoint.error().message, "choose another health_checks.unix_socket");
  struct stat info{};
  const bool there = ::lstat(path.c_str(), &info) == 0;
  if (there && !S_ISSOCK(info.st_mode))
    return fail_with("something that is not a socket is there", "remove it, or choose another path");
  if (there && workload::probe_endpoint(*endpoint) == 0)
    return fail_with("another process listens there", "choose another health_checks.unix_socket");
  const std::string directory =
      endpoint->path().substr(0, std::max<std::size_t>(endpoint->path().rfind('/'), 1));
  if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    const int code = errno;
    return fail_with(errno_text(code), code == ENOENT
                                           ? "create its directory, or choose another path"
                                           : "let this user write its directory, or choose another path");
  }
  add(out, Grade::ok, "health", shown + (there ? " is left over, and will be replaced" : " is free"));
}

void check_health(const config::HealthChecks& checks, const RunningHelper& helper, Findings& out) {
  if (!checks.listener_enabled) return;
  // The running helper uses the port.
  if (helper.pid != 0) return add(out, Grade::ok, "health", "left to the helper that runs");
  const health::Server::Options options = daemon::health_options(checks);
  if (options.tcp) check_port(*options.tcp, out);
  if (!options.unix_socket.empty()) check_health_socket(options.unix_socket, out);
}

}  // namespace

void check_process(const config::Config& config, const RunningHelper& helper, Findings& out) {
  check_program("cmd", config.cmd, out);
  check_program("prepare-cmd", config.prepare_cmd.empty() ? std::string() : config.prepare_cmd.front(), out);
  check_program("reload-cmd", config.daemon_mode ? config.reload.cmd : std::string(), out);
  check_program("renew-cmd", config.renew_cmd.empty() ? std::string() : config.renew_cmd.front(), out);
  check_running_program(config, helper, out);
  check_signal(config, helper, out);
  check_pid_file(config, out);
  check_health(config.health_checks, helper, out);
}

}  // namespace spiffe::cli
