#include "process/supervisor.hh"

#include <algorithm>
#include <utility>

#include "base/log.hh"
#include "base/signals.hh"
#include "base/text.hh"
#include "process/proc.hh"
#include "process/signal_use.hh"

namespace spiffe::process {

namespace {

// How often to check whether a group is empty: at first often, then less often, since each check reads all of
// /proc.
constexpr std::chrono::milliseconds kFirstRestPoll{10};
constexpr std::chrono::milliseconds kLongestRestPoll{200};
constexpr std::chrono::milliseconds kLongestIdleRestPoll{10'000};  // while nothing waits for it

ChildMachine::Policy policy(const Supervisor::Options& options) {
  ChildMachine::Policy out = options.policy;
  out.deadly = is_deadly(options.renew_signal);
  return out;
}

// The next step, as the end of a sentence.
std::string sequel(Next next, std::chrono::nanoseconds delay) {
  switch (next) {
    case Next::next_rotation:
      return "; it starts again at the next rotation";
    case Next::restart:
      return "; it starts again now";
    case Next::backoff:
      return "; it starts again in " + human(std::chrono::round<std::chrono::milliseconds>(delay));
    case Next::give_up:
      return "; that was the " + std::to_string(Restarts::kQuickFailures) + "th failure in a row: giving up";
    case Next::end:
      break;
  }
  return "";
}

}  // namespace

Supervisor::Supervisor(Loop& loop, Options options, std::function<void(int)> on_end)
    : loop_(loop),
      command_(options.launch.argv.front()),
      wrap_(options.policy.wrap),
      own_group_(options.launch.own_group),
      hang_up_ends_(::sigismember(&options.launch.signals.ignored, SIGHUP) != 1),
      of_a_script_(::sigismember(&options.launch.signals.ignored, SIGINT) == 1),
      renew_signal_(options.renew_signal),
      stop_signal_(options.stop_signal),
      reaper_(options.reaper),
      on_news_(std::move(options.on_news)),
      on_end_(std::move(on_end)),
      machine_(policy(options), std::random_device()()),
      launcher_(std::make_unique<Launcher>(std::move(options.launch))),
      timer_(loop, [this] { deliver(TimerFired{}); }),
      rest_poll_(loop, [this] {
        if (release_rest()) return deliver(Cleared{});
        rest_wait_ =
            std::min(rest_wait_ * 2, state() == State::clearing ? kLongestRestPoll : kLongestIdleRestPoll);
        rest_poll_.after(rest_wait_);
      }) {
  if (wrap_) terminal_ = Terminal::find();
  step(Begin{});
}

void Supervisor::reconfigure(Options options) {
  const bool other = launcher_->starts_otherwise(options.launch);
  command_ = options.launch.argv.front();
  own_group_ = options.launch.own_group;
  renew_signal_ = options.renew_signal;
  stop_signal_ = options.stop_signal;
  machine_.set_policy(policy(options));
  launcher_ = std::make_unique<Launcher>(std::move(options.launch));
  if (other) deliver(Replaced{});
}

void Supervisor::published(Generation generation) {
  deliver(Published{generation});
}

void Supervisor::terminate(int signal) {
  deliver(Terminate{signal});
}

void Supervisor::suspend() {
  reap();
  if (!terminal_) return;
  if (child_) {
    send_to_group(SIGTSTP);  // SIGCHLD follows when it has stopped
  } else {
    terminal_->stop();
  }
}

void Supervisor::share_terminal() {
  if (terminal_) terminal_->share(child_pid());
}

void Supervisor::forward(int signal) {
  reap();
  if (!child_ && signal == SIGHUP && hang_up_ends_ && terminal_ && terminal_->hung_up()) {
    log::info("The terminal has hung up, and there is no child", {{"event", "stopping"}});
    return terminate(signal);
  }
  if (!child_) {
    log::debug(signal_name(signal) + " is not passed on: there is no child");
    return;
  }
  if (send(signal)) {
    log::debug(
        "signal passed on",
        {{"event", "forwarded"}, {"pid", std::to_string(child_pid())}, {"signal", signal_name(signal)}});
  }
}

void Supervisor::child_changed() {
  reap();
  if (!child_ || !terminal_) return;
  if (const auto signo = child_->stopped()) terminal_->stop_with(child_->pid(), *signo);
}

// Reap first: a child that has just ended must be replaced. A signal to it would succeed and be lost.
void Supervisor::deliver(const Event& event) {
  reap();
  step(event);
}

void Supervisor::reap() {
  if (!child_) return;
  const auto status = child_->ended();
  if (!status) return;
  reaped_ = child_->pid();
  rest_ = std::move(child_);
  // If another part of the process reaped it, the number may belong to another group by now.
  if (!status->known || !leads_group_) {
    static_cast<void>(rest_->reap());
    rest_.reset();
  }
  const bool remains = rest_ && !release_rest();
  if (remains) {
    rest_->hold();
    rest_wait_ = kFirstRestPoll;
    rest_poll_.after(rest_wait_);
  }
  if (terminal_) terminal_->take_back(reaped_);
  report(ChildNews::ended);
  step(Exited{*status, remains});
}

bool Supervisor::release_rest() {
  if (!group_members(rest_->pid()).empty()) return false;
  static_cast<void>(rest_->reap());
  rest_.reset();
  return true;
}

void Supervisor::step(const Event& event) {
  std::optional<Event> next = event;
  while (next) {
    const Actions actions = machine_.handle(*std::exchange(next, std::nullopt), BootClock::now());
    for (const Action& action : actions) {
      next = std::visit([this](const auto& a) { return perform(a); }, action);
    }
  }
}

std::optional<Event> Supervisor::perform(const Start&) {
  if (terminal_) launcher_->set_terminal(!of_a_script_ && terminal_->ours() ? terminal_->fd() : -1);
  auto launched = launcher_->launch();
  if (!launched) {
    start_error_ = std::move(launched.error());
    return StartFailed{.code = start_error_->shell_code(),
                       .shortage = start_error_->kind == StartFailure::no_resources};
  }
  child_ = std::make_unique<Child>(loop_, std::move(*launched), [this] { reap(); }, reaper_);
  leads_group_ = own_group_;
  const std::string pid = std::to_string(child_->pid());
  report(ChildNews::started);
  log::info("child started", {{"event", "child_started"}, {"pid", pid}, {"command", command_}});
  if (!child_->watched() && !std::exchange(warned_no_pidfd_, true)) {
    log::warning("this system offers no pidfd: the child is watched by SIGCHLD", {{"pid", pid}});
  }
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const CheckReady&) {
  return Readiness{signal_use(child_->pid(), renew_signal_)};
}

std::optional<Event> Supervisor::perform(const Signal& action) {
  const std::string name = signal_name(renew_signal_);
  if (!action.handled) {
    log::warning(
        child_name(child_pid()) + " does not handle " + name + ", the renew_signal: it will be killed by it",
        {{"event", "signal_unhandled"}, {"pid", std::to_string(child_pid())}, {"signal", name}});
  }
  if (send(renew_signal_)) {
    report(ChildNews::signalled);
    log::info("child signalled",
              {{"event", "signalled"}, {"pid", std::to_string(child_pid())}, {"signal", name}});
  }
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const SendStop&) {
  if (send_to_group(stop_signal_)) {
    send_to_group(SIGCONT);  // a stopped process handles no signal except SIGKILL
    log::info("stopping the child", {{"event", "signalled"},
                                     {"pid", std::to_string(child_pid())},
                                     {"signal", signal_name(stop_signal_)}});
  }
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const Kill&) {
  if (!send_to_group(SIGKILL)) return KillRefused{};
  log::warning(child_name(child_pid()) + " has not ended: killed",
               {{"event", "signalled"}, {"pid", std::to_string(child_pid())}, {"signal", "SIGKILL"}});
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const EndRest& action) {
  std::string pids;
  for (const pid_t pid : group_members(rest_->pid())) {
    pids.append(pids.empty() ? "" : ",").append(std::to_string(pid));
  }
  if (release_rest()) {
    rest_poll_.cancel();
    return Cleared{};
  }
  const int signo = action.force == Force::kill ? SIGKILL : stop_signal_;
  const log::Fields fields{{"event", "group_ended"}, {"pids", pids}, {"signal", signal_name(signo)}};
  const std::string who = child_name(rest_->pid());
  if (action.force == Force::kill && send_to_rest(SIGKILL)) {
    log::warning(who + " left processes of its group that have not ended: killed", fields);
  } else if (action.force == Force::stop && send_to_rest(stop_signal_)) {
    send_to_rest(SIGCONT);
    log::warning(who + " left processes of its group: stopping them", fields);
  }
  rest_wait_ = kFirstRestPoll;
  rest_poll_.after(rest_wait_);
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const ArmTimer& action) {
  timer_.after(action.delay);
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const CancelTimer&) {
  timer_.cancel();
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const ReportExit& action) {
  const ExitStatus& status = action.status;
  const bool renewal = status.signal != 0 && status.signal == renew_signal_;
  std::string text = child_name(reaped_) + ' ' + status.words();
  if (renewal) text += ", the renew_signal";
  text += sequel(action.next, action.delay);

  log::Fields fields{{"event", "child_exited"}, {"pid", std::to_string(reaped_)}};
  if (status.known && status.signal == 0) fields.push_back({"exit_code", std::to_string(status.code)});
  if (status.signal != 0) fields.push_back({"signal", signal_name(status.signal)});
  const bool replaced = action.next == Next::restart && status.signal == stop_signal_;
  const bool expected = action.next == Next::end || replaced || (status.known && status.shell_code() == 0);
  log::write(expected ? log::Level::info : log::Level::warning, text, fields);
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const ReportFailedStart& action) {
  log::Fields fields{{"event", "child_start_failed"}};
  if (!start_error_->hint.empty()) fields.push_back({"hint", start_error_->hint});
  const std::string next =
      action.next == Next::next_rotation ? "; it is tried again at the next rotation"
      : action.next == Next::backoff
          ? "; it is tried again in " + human(std::chrono::round<std::chrono::milliseconds>(action.delay))
          : sequel(action.next, action.delay);
  log::error("cannot start child " + start_error_->message + next, fields);
  start_error_.reset();
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const ReportWithheld&) {
  const std::string name = signal_name(renew_signal_);
  log::warning(
      child_name(child_pid()) + " does not handle " + name +
          ", the renew_signal, and would be killed by it: "
          "it is sent once the child does",
      {{"event", "signal_withheld"},
       {"pid", std::to_string(child_pid())},
       {"signal", name},
       {"hint",
        "name a signal that the program handles as renew_signal, or set renew_signal_guard = false"}});
  report(ChildNews::signal_withheld);
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const ReportTimeout&) {
  log::error(
      "The child could not be started within start_timeout: its files are not complete, or "
      "prepare_cmd has not succeeded",
      {{"event", "start_timed_out"}, {"hint", "the last error above names what was missing"}});
  return std::nullopt;
}

std::optional<Event> Supervisor::perform(const End& action) {
  if (child_) {
    log::write(action.left ? log::Level::info : log::Level::error,
               child_name(child_pid()) +
                   (action.left ? " is left running" : " may not be signalled and is left running"),
               {{"event", "child_left"}, {"pid", std::to_string(child_pid())}});
    child_.reset();
  }
  if (rest_) {
    log::write(action.left ? log::Level::info : log::Level::error,
               "what " + child_name(rest_->pid()) + " left of its group" +
                   (action.left ? " is left running" : " cannot be ended and is left running"),
               {{"event", "group_left"}, {"pid", std::to_string(rest_->pid())}});
    static_cast<void>(rest_->reap());
    rest_.reset();
    rest_poll_.cancel();
  }
  on_end_(action.exit_code);
  return std::nullopt;
}

bool Supervisor::send(int signo) {
  return sent(child_pid(), signo, child_->signal(signo));
}

bool Supervisor::send_to_group(int signo) {
  return wrap_ ? sent(child_pid(), signo, child_->signal_group(signo)) : send(signo);
}

bool Supervisor::send_to_rest(int signo) {
  return sent(rest_->pid(), signo, rest_->signal_rest(signo));
}

bool Supervisor::sent(pid_t pid, int signo, const Result<>& result) {
  if (result) return true;
  log::error("Unable to signal process", {{"event", "signal_failed"},
                                          {"pid", std::to_string(pid)},
                                          {"signal", signal_name(signo)},
                                          {"error", result.error().message}});
  report(ChildNews::signal_failed);
  return false;
}

std::string Supervisor::child_name(pid_t pid) const {
  return "child " + quote(command_) + " (pid " + std::to_string(pid) + ")";
}

}  // namespace spiffe::process
