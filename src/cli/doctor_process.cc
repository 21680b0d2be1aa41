#include "cli/doctor_process.hh"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/signals.hh"
#include "base/text.hh"
#include "cli/cat.hh"
#include "health/listener.hh"
#include "process/launcher.hh"
#include "process/pid_signal.hh"
#include "process/proc.hh"
#include "process/supervisor.hh"
#include "workload/socket_probe.hh"

namespace spiffe::cli {

namespace {

void check_program(const char* step, const std::string& program, Findings& out) {
  if (program.empty()) return;
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  const auto found = process::find_program(program, path != nullptr ? path : "");
  if (found) {
    add(out, Grade::ok, step, escape(*found));
    return;
  }
  const process::StartError& error = found.error();
  std::string_view hint = error.hint;
  if (hint.empty()) {
    hint = error.kind == process::StartFailure::not_found
               ? "is it in this image? name it with its whole path"
               : "chmod +x it, and look at the first line of a script";
  }
  add(out, Grade::fail, step, error.message, hint);
}

// The running helper's child that runs cmd.
std::optional<pid_t> child_of(pid_t helper, const std::string& cmd) {
  if (helper == 0 || cmd.empty()) return std::nullopt;
  const auto children = process::read_proc(helper, cat({"task/", std::to_string(helper), "/children"}));
  if (!children) return std::nullopt;
  const char* at = children->data();
  const char* const end = at + children->size();
  while (at < end) {
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(at, end, pid);
    if (error != std::errc{}) return std::nullopt;
    // argv[0], or of a script its interpreter and then the script.
    const auto cmdline = process::read_proc(pid, "cmdline");
    if (cmdline && ('\0' + *cmdline).find('\0' + cmd) != std::string::npos) return pid;
    at = rest + 1;
  }
  return std::nullopt;
}

void check_signal(const config::Config& config, const RunningHelper& helper, Findings& out) {
  const int signal = config.renew_signal;
  if (signal == 0) return;
  const auto child = child_of(helper.pid, config.cmd);
  if (!child) return;
  const std::string who = "process " + std::to_string(*child);
  const bool caught = process::signal_use(*child, signal) != process::SignalUse::none;
  if (caught || !process::is_deadly(signal)) {
    add(out, Grade::ok, "renew-signal", cat({who, " takes ", signal_name(signal)}));
    return;
  }
  out.push_back(
      {Grade::fail, "renew-signal",
       cat({who, " (", escape(config.cmd), ") does not catch ", signal_name(signal), ", which would end it"}),
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
  const bool deaf = refusal.error.message.find("does not catch") != std::string::npos;
  std::string hint = "the file is stale: does the program run, and write its number there?";
  // Of a process that was judged the hint would be to judge none.
  if (!refusal.error.hint.empty() && !refusal.error.message.starts_with("check ")) hint = refusal.error.hint;
  if (refusal.error.sys == ENOENT)
    hint = "does the program run, and write its number there? is the path shared with it?";
  if (refusal.error.sys == EACCES) hint = cat({"let user ", std::to_string(::geteuid()), " read it"});
  if (deaf) hint = "which signal makes it reload? set renew_signal to that";
  add(out, refusal.usual ? Grade::ok : Grade::fail, deaf ? "renew-signal" : "pid-file", refusal.error.message,
      hint);
}

void check_port(const config::HealthChecks& checks, const RunningHelper& helper, Findings& out) {
  if (!checks.listener_enabled) return;
  // It has its own ports.
  if (helper.pid != 0) {
    add(out, Grade::ok, "health", "left to the helper that runs");
    return;
  }
  const auto listener = health::Listener::tcp(checks.bind_address, checks.bind_port);
  if (listener) {
    add(out, Grade::ok, "health", listener->name() + " is free");
  } else {
    add(out, Grade::fail, "health", listener.error().message, listener.error().hint);
  }
}

}  // namespace

void check_process(const config::Config& config, const RunningHelper& helper, Findings& out) {
  check_program("cmd", config.cmd, out);
  check_program("renew-cmd", config.renew_cmd.empty() ? std::string() : config.renew_cmd.front(), out);
  check_signal(config, helper, out);
  check_pid_file(config, out);
  if (config.health_checks.unix_socket.empty()) check_port(config.health_checks, helper, out);
}

}  // namespace spiffe::cli
