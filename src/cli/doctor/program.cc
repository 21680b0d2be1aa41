#include "cli/doctor/program.hh"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <sys/stat.h>

#include "base/text.hh"
#include "cli/text/cat.hh"
#include "config/lifecycle.hh"
#include "process/launcher.hh"
#include "process/proc.hh"

namespace spiffe::cli {

namespace {

constexpr const char* kStep = "program";
constexpr std::chrono::milliseconds kSecondLook{200};
constexpr std::size_t kNameBytes = 15;  // TASK_COMM_LEN

std::string_view last_part(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The program's name in argv[0], without a status that it may append: "nginx: master process …".
std::string_view title(std::string_view word) {
  return last_part(word.substr(0, word.find_first_of(": ")));
}

std::string path_of(const std::string& command) {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): the environment does not change
  const auto found = process::find_program(command, path != nullptr ? path : "");
  return found ? *found : std::string();
}

std::vector<pid_t> numbers(std::string_view text) {
  std::vector<pid_t> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  pid_t pid = 0;
  while (at < end) {
    const auto [rest, error] = std::from_chars(at, end, pid);
    if (error != std::errc{}) break;
    out.push_back(pid);
    at = std::min(rest + 1, end);
  }
  return out;
}

void add_child(pid_t pid, HelperChildren& out) {
  const auto stat = process::proc_stat(pid);
  // It has ended meanwhile, or is hidden (hidepid).
  if (!stat) out.complete = false;
  if (!stat || stat->ended()) return;
  std::string name = process::read_proc(pid, "comm").value_or("");
  if (name.ends_with('\n')) name.pop_back();
  out.all.push_back({pid, process::read_proc(pid, "cmdline"), std::move(name)});
}

// The helper starts all children in its main thread. If the kernel has no list of children, all processes are
// scanned, which misses hidden ones, so the result may be incomplete.
HelperChildren children_of(pid_t helper) {
  HelperChildren out;
  if (const auto list = process::read_proc(helper, cat({"task/", std::to_string(helper), "/children"}))) {
    out.complete = true;
    for (const pid_t pid : numbers(*list)) add_child(pid, out);
    return out;
  }
  for (const process::Process& each : process::processes()) {
    if (each.stat.parent == helper && !each.stat.ended()) add_child(each.pid, out);
  }
  out.complete = false;
  return out;
}

const HelperChild* find_child(const HelperChildren& children, std::string_view command,
                              std::string_view path) {
  const auto found = std::ranges::find_if(
      children.all, [&](const HelperChild& child) { return runs_command(child, command, path); });
  return found == children.all.end() ? nullptr : &*found;
}

bool is_hook(const HelperChild& child, const std::vector<std::string>& hook) {
  return !hook.empty() && runs_command(child, hook.front(), path_of(hook.front()));
}

std::string_view hint_of_end(const config::Config& config) {
  return config.cmd_mode == config::CmdMode::job && config.restart == config::Restart::never
             ? "the helper's log has the reason: look for child_exited or child_start_failed; it starts "
               "again "
               "at the next rotation, or at once with restart = \"always\""
             : "the helper's log has the reason: look for child_exited or child_start_failed";
}

bool is_published(const config::Config& config) {
  const auto name = config.x509.names.find("svid_file_name");
  if (name == config.x509.names.end()) return true;  // cannot be checked
  struct stat info{};
  const std::string directory = config.cert_dir.empty() ? "." : config.cert_dir;
  return ::stat(cat({directory, "/", name->second}).c_str(), &info) == 0;
}

}  // namespace

bool runs_command(const HelperChild& child, std::string_view command, std::string_view path) {
  const std::string_view name = last_part(command);
  if (name.empty()) return false;
  if (child.name == name.substr(0, kNameBytes)) return true;
  if (!child.cmdline) return false;
  std::string_view rest = *child.cmdline;
  // For a script, the kernel's command line is: interpreter, at most one argument, path of the script.
  for (int i = 0; i < 3 && !rest.empty(); ++i) {
    const std::string_view word = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    if (i == 0 ? word == command || title(word) == name : !path.empty() && word == path) return true;
  }
  return false;
}

Finding judge_program(const config::Config& config, std::string_view path, pid_t helper,
                      const HelperChildren& children, bool published) {
  const std::string runs = cat({"the helper (pid ", std::to_string(helper), ") runs, "});
  const std::string program = escape(last_part(config.cmd));
  if (const HelperChild* child = find_child(children, config.cmd, path)) {
    return {Grade::ok, kStep,
            cat({runs, "its program ", program, " (pid ", std::to_string(child->pid), ") too"})};
  }
  for (const HelperChild& child : children.all) {
    // A child that is not a hook may be the script of cmd, replaced by another program with exec.
    if (is_hook(child, config.prepare_cmd) || is_hook(child, config::reload_command(config)) ||
        is_hook(child, config.renew_cmd))
      continue;
    return {Grade::ok, kStep,
            cat({runs, "and its child ", escape(child.name), " (pid ", std::to_string(child.pid), "), which ",
                 program, " may have started"})};
  }
  if (!children.complete)
    return {Grade::ok, kStep, cat({runs, "whether its program ", program, " does cannot be seen from here"})};
  if (!published) {
    return {Grade::warn, kStep, cat({runs, "but its program ", program, " does not yet"}),
            "it starts when all files have been written for the first time"};
  }
  return {config.restart == config::Restart::always ? Grade::fail : Grade::warn, kStep,
          cat({runs, "but its program ", program, " does not"}), std::string(hint_of_end(config))};
}

std::optional<pid_t> find_program_of(const config::Config& config, const RunningHelper& helper) {
  if (helper.pid == 0 || config.cmd.empty()) return std::nullopt;
  const HelperChildren children = children_of(helper.pid);
  const HelperChild* child = find_child(children, config.cmd, path_of(config.cmd));
  return child != nullptr ? std::optional(child->pid) : std::nullopt;
}

void check_running_program(const config::Config& config, const RunningHelper& helper, Findings& out) {
  if (config.cmd.empty() || !config.daemon_mode) return;
  const std::string program = escape(last_part(config.cmd));
  if (!helper.certain) {
    const bool unknown = helper.pid != 0 || helper.lock_held;
    return add(out, Grade::ok, kStep,
               cat({unknown ? "the helper cannot be seen from here" : "no helper runs", ", so whether ",
                    program, " does was not looked at"}));
  }
  const std::string path = path_of(config.cmd);
  const auto look = [&] {
    return judge_program(config, path, helper.pid, children_of(helper.pid), is_published(config));
  };
  Finding found = look();
  if (found.grade != Grade::ok) {
    // The program may be between two starts.
    std::this_thread::sleep_for(kSecondLook);
    found = look();
  }
  // A helper that has ended has no children either.
  const auto stat = process::proc_stat(helper.pid);
  if (!stat || stat->ended()) found = {Grade::ok, kStep, "the helper has ended meanwhile"};
  out.push_back(std::move(found));
}

}  // namespace spiffe::cli
