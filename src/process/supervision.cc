#include "process/supervision.hh"

#include <utility>

#include "base/log.hh"
#include "base/signals.hh"
#include "base/text.hh"
#include "process/signal_use.hh"

namespace spiffe::process {

namespace {

Supervisor::Policy policy(const Supervision::Options& options) {
  return {.on_rotate = options.renew_signal != 0 ? OnRotate::signal : OnRotate::none,
          .guard = is_deadly(options.renew_signal),
          .stop_timeout = options.stop_timeout};
}

}  // namespace

Supervision::Supervision(Loop& loop, Options options, std::function<void(int)> on_end)
    : loop_(loop),
      command_(options.launch.argv.front()),
      renew_signal_(options.renew_signal),
      stop_signal_(options.stop_signal),
      on_news_(std::move(options.on_news)),
      on_end_(std::move(on_end)),
      machine_(policy(options)),
      launcher_(std::move(options.launch)),
      timer_(loop, [this] { deliver(TimerFired{}); }) {}

void Supervision::published(Generation generation) {
  deliver(Published{generation});
}

void Supervision::terminate() {
  deliver(Terminate{});
}

void Supervision::child_changed() {
  reap();
}

// A child that ended a moment ago must be replaced, not signalled: a signal to it would succeed and be lost.
void Supervision::deliver(const Event& event) {
  reap();
  step(event);
}

void Supervision::reap() {
  if (!child_) return;
  const auto status = child_->reap();
  if (!status) return;
  reaped_ = child_->pid();
  child_.reset();
  tell(ChildNews::ended);
  step(Exited{*status});
}

void Supervision::step(const Event& event) {
  std::optional<Event> next = event;
  while (next) {
    const Actions actions = machine_.handle(*std::exchange(next, std::nullopt), BootClock::now());
    for (const Action& action : actions) {
      next = std::visit([this](const auto& a) { return perform(a); }, action);
    }
  }
}

std::optional<Event> Supervision::perform(const Start&) {
  auto launched = launcher_.launch();
  if (!launched) {
    log::Fields fields{{"event", "child_start_failed"}};
    if (!launched.error().hint.empty()) fields.push_back({"hint", launched.error().hint});
    log::error("cannot start child " + launched.error().message + "; it is tried again at the next rotation",
               fields);
    return StartFailed{};
  }
  child_ = std::make_unique<Child>(loop_, std::move(*launched), [this] { reap(); });
  const std::string pid = std::to_string(child_->pid());
  tell(ChildNews::started);
  log::info("child started", {{"event", "child_started"}, {"pid", pid}, {"command", command_}});
  if (!child_->watched() && !std::exchange(warned_no_pidfd_, true)) {
    log::warning("this system offers no pidfd: the child is watched by SIGCHLD", {{"pid", pid}});
  }
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const CheckReady&) {
  return Readiness{signal_use(child_->pid(), renew_signal_)};
}

std::optional<Event> Supervision::perform(const Signal& action) {
  const std::string name = signal_name(renew_signal_);
  if (!action.handled) {
    log::warning(
        child_name(child_pid()) + " does not handle " + name + ", the renew_signal: it will be killed by it",
        {{"event", "signal_unhandled"}, {"pid", std::to_string(child_pid())}, {"signal", name}});
  }
  if (send(renew_signal_)) {
    tell(ChildNews::signalled);
    log::info("child signalled",
              {{"event", "signalled"}, {"pid", std::to_string(child_pid())}, {"signal", name}});
  }
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const SendStop&) {
  if (send(stop_signal_)) {
    send(SIGCONT);  // a stopped process takes no signal but SIGKILL
    log::info("stopping the child", {{"event", "signalled"},
                                     {"pid", std::to_string(child_pid())},
                                     {"signal", signal_name(stop_signal_)}});
  }
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const Kill&) {
  if (!send(SIGKILL)) return KillRefused{};
  log::warning(child_name(child_pid()) + " has not ended: killed",
               {{"event", "signalled"}, {"pid", std::to_string(child_pid())}, {"signal", "SIGKILL"}});
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const ArmTimer& action) {
  timer_.after(action.delay);
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const CancelTimer&) {
  timer_.cancel();
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const ReportExit& action) {
  const ExitStatus& status = action.status;
  const bool renewal = status.signal != 0 && status.signal == renew_signal_;
  std::string text = child_name(reaped_) + ' ' + status.words();
  if (renewal) text += ", the renew_signal";
  if (action.next == ReportExit::Next::next_rotation) text += "; it starts again at the next rotation";
  if (action.next == ReportExit::Next::restart) text += "; it starts again now";

  log::Fields fields{{"event", "child_exited"}, {"pid", std::to_string(reaped_)}};
  if (status.known && status.signal == 0) fields.push_back({"exit_code", std::to_string(status.code)});
  if (status.signal != 0) fields.push_back({"signal", signal_name(status.signal)});
  const bool expected = action.next == ReportExit::Next::end || (status.known && status.shell_code() == 0);
  log::write(expected ? log::Level::info : log::Level::warning, text, fields);
  return std::nullopt;
}

std::optional<Event> Supervision::perform(const End& action) {
  if (child_) {
    log::error(child_name(child_pid()) + " may not be signalled and is left running",
               {{"event", "child_left"}, {"pid", std::to_string(child_pid())}});
    child_.reset();
  }
  on_end_(action.exit_code);
  return std::nullopt;
}

bool Supervision::send(int signo) {
  if (const auto sent = child_->signal(signo); !sent) {
    log::error("Unable to signal process", {{"event", "signal_failed"},
                                            {"pid", std::to_string(child_pid())},
                                            {"signal", signal_name(signo)},
                                            {"error", sent.error().message}});
    tell(ChildNews::signal_failed);
    return false;
  }
  return true;
}

std::string Supervision::child_name(pid_t pid) const {
  return "child " + quote(command_) + " (pid " + std::to_string(pid) + ")";
}

}  // namespace spiffe::process
