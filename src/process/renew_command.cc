#include "process/renew_command.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/log.hh"
#include "base/signals.hh"

namespace spiffe::process {

namespace {

constexpr std::size_t kPerTurn = std::size_t{16} * 1024;  // bytes of output between two turns of others
constexpr std::string_view kChanged = "SPIFFE_HELPER_CHANGED=";
constexpr std::string_view kCertDir = "SPIFFE_HELPER_CERT_DIR=";

LaunchOptions launch_options(LaunchOptions options, int output) {
  options.own_group = true;
  options.stdout_fd = output;
  options.stderr_fd = output;
  return options;
}

std::vector<std::string> environment(std::vector<std::string> env, const std::string& cert_dir) {
  std::erase_if(env, [](const std::string& entry) {
    return entry.starts_with(kChanged) || entry.starts_with(kCertDir);
  });
  env.push_back(std::string(kCertDir) + cert_dir);
  return env;
}

// Whether the child can be reaped. Until it is, its pid and its group are nobody else's.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

}  // namespace

Result<std::unique_ptr<RenewCommand>> RenewCommand::create(Loop& loop, Options options,
                                                           std::function<void(int)> on_end) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe for the output of renew_cmd", errno);
  Pipe pipe{.reader = Fd(ends[0]), .writer = Fd(ends[1])};
  // Only our end: a command does not expect its stdout to be full.
  if (::fcntl(pipe.reader.get(), F_SETFL, O_NONBLOCK) != 0) {
    return fail_errno("pipe for the output of renew_cmd", errno);
  }
  return std::unique_ptr<RenewCommand>(
      new RenewCommand(loop, std::move(options), std::move(pipe), std::move(on_end)));
}

RenewCommand::RenewCommand(Loop& loop, Options options, Pipe pipe, std::function<void(int)> on_end)
    : loop_(loop),
      timeout_(options.timeout),
      reaper_(options.reaper),
      on_end_(std::move(on_end)),
      env_(environment(options.launch.env, options.cert_dir)),
      machine_({.timeout = options.timeout, .once = options.once}),
      pipe_(std::move(pipe)),
      lines_([](std::string_view line) {
        log::info("renew_cmd: " + std::string(line), {{"event", "renew_cmd_output"}});
      }),
      launcher_(launch_options(std::move(options.launch), pipe_.writer.get())),
      timer_(loop,
             [this] {
               // Where the run ended in time the timer was another's.
               if (!reap()) step(RenewSchedule::TimerFired{});
             }),
      output_(loop, pipe_.reader.get(), [this] { read(kPerTurn); }) {}

void RenewCommand::published(const Changes& changes) {
  reap();  // a run that ended a moment ago does not delay the next one
  step(RenewSchedule::Published{changes});
}

void RenewCommand::stop() {
  step(RenewSchedule::Stop{});
}

void RenewCommand::child_changed() {
  reap();
}

bool RenewCommand::reap() {
  if (!child_ || !has_ended(child_->pid())) return false;
  const bool had_to = state() == RenewSchedule::State::stopping || state() == RenewSchedule::State::killing;
  if (had_to) signal_group(SIGKILL);  // the rest of it
  const ExitStatus status = child_->reap().value_or(ExitStatus{.known = false});
  child_.reset();
  finish_output();
  outcome_ = status.words();
  outcome_fields_ = {{"event", "renew_cmd_failed"}};
  if (status.known && status.signal == 0) {
    outcome_fields_.push_back({"exit_code", std::to_string(status.code)});
  }
  if (status.signal != 0) outcome_fields_.push_back({"signal", signal_name(status.signal)});
  if (had_to && machine_.target() == RenewSchedule::Target::next) {
    outcome_ = "took longer than " + human(timeout_) + " and " + outcome_;
  }
  step(RenewSchedule::Exited{status.known ? status.shell_code() : 1});
  return true;
}

void RenewCommand::step(const RenewSchedule::Event& event) {
  std::optional<RenewSchedule::Event> next = event;
  while (next) {
    const auto actions = machine_.handle(*std::exchange(next, std::nullopt));
    for (const auto& action : actions) {
      next = std::visit([this](const auto& a) { return perform(a); }, action);
    }
  }
}

void RenewCommand::read(std::size_t bytes) {
  std::array<char, kPerTurn> buffer;
  while (bytes > 0) {
    const ssize_t n = ::read(pipe_.reader.get(), buffer.data(), std::min(bytes, buffer.size()));
    if (n <= 0) return;  // EAGAIN: we hold the other end, too
    lines_.feed({buffer.data(), static_cast<std::size_t>(n)});
    bytes -= static_cast<std::size_t>(n);
  }
}

// What is in the pipe now, which may be a megabyte, and not what a process left behind goes on writing.
void RenewCommand::finish_output() {
  int bytes = 0;
  if (::ioctl(pipe_.reader.get(), FIONREAD, &bytes) == 0 && bytes > 0) read(static_cast<std::size_t>(bytes));
  if (const std::size_t left_out = lines_.finish(); left_out > 0) {
    log::warning("renew_cmd: " + std::to_string(left_out) + " more lines",
                 {{"event", "renew_cmd_output_left_out"}});
  }
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::Start& action) {
  finish_output();  // of what an earlier run left behind
  std::vector<std::string> env = env_;
  env.push_back(std::string(kChanged) + action.changes.words());
  launcher_.set_env(std::move(env));
  started_ = BootClock::now();
  auto launched = launcher_.launch();
  if (!launched) {
    outcome_ = "cannot be started: " + launched.error().message;
    outcome_fields_ = {{"event", "renew_cmd_failed"}};
    if (!launched.error().hint.empty()) outcome_fields_.push_back({"hint", launched.error().hint});
    return RenewSchedule::StartFailed{launched.error().shell_code()};
  }
  child_ = std::make_unique<Child>(loop_, std::move(*launched), [this] { reap(); }, reaper_);
  log::info(
      "renew_cmd started",
      {{"event", "renew_cmd_started"}, {"pid", std::to_string(pid())}, {"changed", action.changes.words()}});
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::SendTerm&) {
  signal_group(SIGTERM);
  signal_group(SIGCONT);  // a stopped process takes no signal but SIGKILL
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::Kill&) {
  signal_group(SIGKILL);
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::ArmTimer& action) {
  timer_.after(action.delay);
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::CancelTimer&) {
  timer_.cancel();
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::Report& action) {
  if (action.succeeded) {
    log::info("renew_cmd succeeded",
              {{"event", "renew_cmd_succeeded"}, {"took", human(BootClock::now() - started_)}});
    return std::nullopt;
  }
  if (action.retry_in) outcome_fields_.push_back({"retry_in", human(*action.retry_in)});
  const bool ending = machine_.target() == RenewSchedule::Target::end;
  log::write(ending ? log::Level::warning : log::Level::error,
             "renew_cmd " + outcome_ + (ending ? ", because the helper ends" : ""), outcome_fields_);
  return std::nullopt;
}

std::optional<RenewSchedule::Event> RenewCommand::perform(const RenewSchedule::End& action) {
  if (child_) {
    log::error("renew_cmd cannot be ended and is left running",
               {{"event", "renew_cmd_left"}, {"pid", std::to_string(pid())}});
    child_.reset();
  }
  on_end_(action.code);
  return std::nullopt;
}

void RenewCommand::signal_group(int signo) const {
  if (const auto sent = child_->signal_group(signo); !sent) {
    log::warning(
        "renew_cmd: " + sent.error().message,
        {{"event", "signal_failed"}, {"pid", std::to_string(pid())}, {"signal", signal_name(signo)}});
  }
}

}  // namespace spiffe::process
