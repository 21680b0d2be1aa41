#include "process/hook.hh"

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

constexpr std::size_t kBytesPerTurn = std::size_t{16} * 1024;  // bytes of output per turn of the loop
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

// Whether the child can be reaped. Until it is, its pid and its group's id are not reused.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

}  // namespace

spiffe::Result<std::unique_ptr<Hook>> Hook::create(Loop& loop, Options options,
                                                   std::function<void(int)> on_end) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe for the output of " + options.name, errno);
  Pipe pipe{.reader = Fd(ends[0]), .writer = Fd(ends[1])};
  // Only our end is non-blocking: a command does not expect a full stdout.
  if (::fcntl(pipe.reader.get(), F_SETFL, O_NONBLOCK) != 0) {
    return fail_errno("pipe for the output of " + options.name, errno);
  }
  return std::unique_ptr<Hook>(new Hook(loop, std::move(options), std::move(pipe), std::move(on_end)));
}

Hook::Hook(Loop& loop, Options options, Pipe pipe, std::function<void(int)> on_end)
    : loop_(loop),
      log_(std::move(options.log)),
      name_(std::move(options.name)),
      command_(options.launch.argv.front()),
      cert_dir_(std::move(options.cert_dir)),
      timeout_(options.timeout),
      failure_text_(std::move(options.failure_text)),
      timeout_key_(std::move(options.timeout_key)),
      reaper_(options.reaper),
      on_result_(std::move(options.on_result)),
      consequence_(std::move(options.consequence)),
      on_end_(std::move(on_end)),
      env_(environment(options.launch.env, cert_dir_)),
      machine_({.timeout = options.timeout,
                .term_grace = options.term_grace,
                .once = options.once,
                .retry = options.retry}),
      pipe_(std::move(pipe)),
      lines_([this](std::string_view line) {
        log_.info(name_ + ": " + std::string(line), {{"event", event("output")}});
      }),
      launcher_(launch_options(std::move(options.launch), pipe_.writer.get())),
      troubles_(loop),
      timer_(loop,
             [this] {
               // If the run has just ended in time, this timer no longer applies.
               if (!reap()) step(HookSchedule::TimerFired{});
             }),
      output_(loop, pipe_.reader.get(), [this] { read(kBytesPerTurn); }) {}

void Hook::published(const Changes& changes) {
  reap();  // a run that ended a moment ago does not delay the next one
  step(HookSchedule::Published{changes});
}

void Hook::stop(std::string_view why) {
  stopped_because_ = why;
  troubles_.forget("");
  step(HookSchedule::Stop{});
}

void Hook::child_changed() {
  reap();
}

bool Hook::reap() {
  if (!child_ || !has_ended(child_->pid())) return false;
  const bool had_to = state() == HookSchedule::State::stopping || state() == HookSchedule::State::killing;
  if (had_to) signal_group(SIGKILL);  // the other members of its group
  const ExitStatus status = child_->reap().value_or(ExitStatus{.known = false});
  child_.reset();
  finish_output();
  outcome_ = status.words();
  outcome_fields_.clear();
  hint_ = "its output is above; to run it by hand set SPIFFE_HELPER_CERT_DIR=" + cert_dir_;
  if (status.known && status.signal == 0) {
    outcome_fields_.push_back({"exit_code", std::to_string(status.code)});
  }
  if (status.signal != 0) outcome_fields_.push_back({"signal", signal_name(status.signal)});
  if (had_to && machine_.target() == HookSchedule::Target::next) {
    outcome_ = "took longer than " + human(timeout_) + " and " + outcome_;
    hint_ = "find out what it waits for, or raise " + timeout_key_;
  }
  step(HookSchedule::Exited{status.known ? status.shell_code() : 1});
  return true;
}

void Hook::step(const HookSchedule::Event& event) {
  std::optional<HookSchedule::Event> next = event;
  while (next) {
    const auto actions = machine_.handle(*std::exchange(next, std::nullopt));
    for (const auto& action : actions) {
      next = std::visit([this](const auto& a) { return perform(a); }, action);
    }
  }
}

void Hook::read(std::size_t bytes) {
  std::array<char, kBytesPerTurn> buffer;
  while (bytes > 0) {
    const ssize_t n = ::read(pipe_.reader.get(), buffer.data(), std::min(bytes, buffer.size()));
    if (n <= 0) return;  // EAGAIN; never the end, because we also hold the writing end
    lines_.feed({buffer.data(), static_cast<std::size_t>(n)});
    bytes -= static_cast<std::size_t>(n);
  }
}

// Reads what is in the pipe now, up to a megabyte, but not what a process left behind continues to write.
void Hook::finish_output() {
  int bytes = 0;
  if (::ioctl(pipe_.reader.get(), FIONREAD, &bytes) == 0 && bytes > 0) read(static_cast<std::size_t>(bytes));
  if (const std::size_t left_out = lines_.finish(); left_out > 0) {
    log_.warning(name_ + ": " + std::to_string(left_out) + " more lines",
                 {{"event", event("output_left_out")}});
  }
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::Start& action) {
  finish_output();  // written by processes of an earlier run
  std::vector<std::string> env = env_;
  env.push_back(std::string(kChanged) + action.changes.words());
  launcher_.set_env(std::move(env));
  started_ = BootClock::now();
  auto launched = launcher_.launch();
  if (!launched) {
    outcome_ = "cannot be started: " + launched.error().message;
    outcome_fields_.clear();
    hint_ = launched.error().hint;
    return HookSchedule::StartFailed{launched.error().shell_code()};
  }
  child_ = std::make_unique<Child>(loop_, std::move(*launched), [this] { reap(); }, reaper_);
  log_.info(
      name_ + " started",
      {{"event", event("started")}, {"pid", std::to_string(pid())}, {"changed", action.changes.words()}});
  return std::nullopt;
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::SendTerm&) {
  signal_group(SIGTERM);
  signal_group(SIGCONT);  // a stopped process handles no signal except SIGKILL
  return std::nullopt;
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::Kill&) {
  signal_group(SIGKILL);
  return std::nullopt;
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::ArmTimer& action) {
  timer_.after(action.delay);
  return std::nullopt;
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::CancelTimer&) {
  timer_.cancel();
  return std::nullopt;
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::Report& action) {
  if (action.succeeded) {
    const log::Fields fields = {{"event", event("succeeded")}, {"took", human(BootClock::now() - started_)}};
    if (!troubles_.ended("", name_ + " succeeded", log_.with(fields)))
      log_.info(name_ + " succeeded", fields);
  } else {
    report_failure(action.retry_in);
  }
  if (on_result_ && stopped_because_.empty()) on_result_({action.succeeded, action.overtaken, outcome_});
  return std::nullopt;
}

void Hook::report_failure(std::optional<std::chrono::nanoseconds> retry_in) {
  log::Fields fields = {{"event", event("failed")}, {"command", command_}};
  fields.insert(fields.end(), outcome_fields_.begin(), outcome_fields_.end());
  if (!stopped_because_.empty()) {
    log_.warning(name_ + ' ' + outcome_ + ", because " + stopped_because_, fields);
    return;
  }
  if (retry_in) fields.push_back({"retry_in", human(*retry_in)});
  if (!hint_.empty()) fields.push_back({"hint", hint_});
  if (!failure_text_.empty()) {
    fields.push_back({"error", outcome_});
    troubles_.failed("", outcome_, {log::Level::error, failure_text_, log_.with(std::move(fields))});
    return;
  }
  const std::string consequence = consequence_ ? consequence_() : std::string();
  const std::string text = name_ + ' ' + outcome_ + (consequence.empty() ? "" : "; " + consequence);
  troubles_.failed("", outcome_, {log::Level::error, text, log_.with(std::move(fields))});
}

std::optional<HookSchedule::Event> Hook::perform(const HookSchedule::End& action) {
  if (child_) {
    log_.error(name_ + " cannot be ended and is left running",
               {{"event", event("left")}, {"pid", std::to_string(pid())}});
    child_.reset();
  }
  on_end_(action.code);
  return std::nullopt;
}

std::string Hook::event(std::string_view what) const {
  std::string out = name_ + '_' + std::string(what);
  std::ranges::replace(out, '.', '_');
  return out;
}

void Hook::signal_group(int signo) const {
  if (const auto sent = child_->signal_group(signo); !sent) {
    log_.warning(
        name_ + ": " + sent.error().message,
        {{"event", "signal_failed"}, {"pid", std::to_string(pid())}, {"signal", signal_name(signo)}});
  }
}

}  // namespace spiffe::process
