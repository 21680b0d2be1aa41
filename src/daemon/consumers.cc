#include "daemon/consumers.hh"

#include <algorithm>
#include <utility>

#include "base/log.hh"
#include "daemon/settings.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using health::HookKind;
using identity::Kind;

namespace {

// Continuous changes delay the notification by at most this many renew_debounces.
constexpr int kMostDebounces = 4;

process::Changes changes_of(const Consumers::Kinds& kinds) {
  return {.x509 = kinds.contains(Kind::x509),
          .jwt = kinds.contains(Kind::jwt),
          .bundle = kinds.contains(Kind::bundle)};
}

// Whether the hook runs the same command; its timeout may differ.
bool same_command(health::HookKind kind, const config::Config& one, const config::Config& other) {
  return hook_name(kind, one) == hook_name(kind, other) &&
         hook_command(kind, one) == hook_command(kind, other) && one.cert_dir == other.cert_dir &&
         one.agent_address.uri() == other.agent_address.uri();
}

bool same_hook(health::HookKind kind, const config::Config& one, const config::Config& other) {
  const auto timeout = kind == health::HookKind::prepare ? &config::Config::prepare_cmd_timeout
                                                         : &config::Config::renew_cmd_timeout;
  return same_command(kind, one, other) && one.*timeout == other.*timeout;
}

bool under_way(const std::unique_ptr<process::Hook>& hook) {
  return hook != nullptr && hook->state() != process::HookSchedule::State::idle;
}

bool same_pid_file(const config::Config& one, const config::Config& other) {
  return one.pid_file_name == other.pid_file_name && one.renew_signal == other.renew_signal &&
         one.pid_file_check == other.pid_file_check;
}

}  // namespace

Result<std::unique_ptr<Consumers>> Consumers::create(Loop& loop, const config::Config& config,
                                                     Setting setting, health::Program& status,
                                                     std::function<void(int)> on_end) {
  std::unique_ptr<Consumers> self(new Consumers(loop, config, std::move(setting), status, std::move(on_end)));
  for (const HookKind kind : {HookKind::prepare, HookKind::renew}) {
    if (auto good = self->assemble_hook(kind); !good) return fail(good.error());
  }
  self->assemble_child();
  self->assemble_pid_file();
  return self;
}

Consumers::Consumers(Loop& loop, const config::Config& config, Setting setting, health::Program& status,
                     std::function<void(int)> on_end)
    : loop_(loop),
      config_(config),
      applied_(config),
      setting_(std::move(setting)),
      status_(status),
      on_end_(std::move(on_end)),
      random_(std::random_device()()),
      delay_(loop, [this] { prepare(std::exchange(changes_, {})); }) {}

Result<void> Consumers::assemble_hook(HookKind kind) {
  health::Hook& status = status_.of(kind);
  status.configured = !hook_command(kind, config_).empty();
  status.key = hook_name(kind, config_);
  status.failure.clear();
  if (!status.configured) return {};
  auto options = hook_options(kind, config_, setting_.found_signals);
  options.launch.core_dumps = setting_.core_dumps;
  options.reaper = setting_.reaper;
  options.log = setting_.log;
  options.on_result = [this, kind](const process::Hook::Result& result) { on_hook(kind, result); };
  options.consequence = [this, kind] { return consequence(kind); };
  auto made = process::Hook::create(loop_, std::move(options),
                                    [this, kind](int exit_code) { hook_ended(kind, exit_code); });
  if (!made) return fail(made.error());
  hook(kind) = std::move(*made);
  return {};
}

std::string Consumers::consequence(HookKind kind) const {
  if (!config_.daemon_mode) return "the exit code will be 1";
  const bool has_child = !config_.cmd.empty();
  if (kind == HookKind::renew) {
    return std::string(has_child ? "the program" : "whoever it notifies") +
           " may still use the previous files";
  }
  if (has_child) {
    return notified() ? "the program is not notified of the new files until it succeeds"
                      : "the program is not started until it succeeds";
  }
  if (!config_.pid_file_name.empty()) {
    return "the process of pid_file_name is not signalled until it succeeds";
  }
  return config_.renew_cmd.empty() ? "" : "renew_cmd does not run until it succeeds";
}

void Consumers::assemble_child() {
  status_.child.configured = !config_.cmd.empty() && config_.daemon_mode;
  if (!status_.child.configured) return;
  child_ = std::make_unique<process::Supervisor>(loop_, child_options(),
                                                 [this](int exit_code) { child_ended(exit_code); });
}

process::Supervisor::Options Consumers::child_options() {
  auto options = daemon::child_options(config_, setting_.found_signals);
  options.launch.core_dumps = setting_.core_dumps;
  // On a terminal the child stays in our process group, so that ^C reaches both, as with the Go helper.
  // Otherwise the child's own group identifies the processes that it leaves behind.
  if (!process::Terminal::find()) options.launch.own_group = true;
  options.reaper = setting_.reaper;
  options.on_news = [this](process::ChildNews news) { on_child(news); };
  return options;
}

void Consumers::assemble_pid_file() {
  status_.pid_file.configured = !config_.pid_file_name.empty();
  status_.pid_file.failed = false;
  if (!status_.pid_file.configured) return;
  auto options = pid_file_options(config_);
  options.log = setting_.log;
  options.on_result = [this](bool sent) {
    const auto result = sent ? health::SignalResult::sent : health::SignalResult::failed;
    ++status_.count(result);
    ++status_.pid_file.count(result);
    status_.pid_file.failed = !sent;
  };
  pid_file_ = std::make_unique<process::PidFile>(loop_, std::move(options));
}

void Consumers::changed(const Kinds& kinds) {
  if (ending_) return;
  changes_ |= changes_of(kinds);
  complete_ = true;
  if (!notified() || config_.renew_debounce + config_.renew_splay == 0ns) {
    return prepare(std::exchange(changes_, {}));
  }
  const BootTime now = BootClock::now();
  if (!changing_since_) {
    changing_since_ = now;
    const auto longest = static_cast<double>(config_.renew_splay.count());
    splay_ = std::chrono::nanoseconds(
        static_cast<std::int64_t>(std::uniform_real_distribution<double>(0.0, longest)(random_)));
  }
  delay_.at(
      std::min(now + config_.renew_debounce, *changing_since_ + kMostDebounces * config_.renew_debounce) +
      splay_);
}

void Consumers::prepare(const process::Changes& changes) {
  delay_.cancel();
  changing_since_.reset();
  // In this order: published() may report the end of the previous run, which was not for these changes.
  if (prepare_ != nullptr) prepare_->published(changes);
  unnotified_ |= changes;
  if (prepare_ == nullptr) notify();
}

void Consumers::on_hook(HookKind kind, const process::Hook::Result& result) {
  health::Hook& status = status_.of(kind);
  ++(result.succeeded ? status.succeeded : status.failed);
  status.failure = result.succeeded ? "" : result.words;
  if (kind != HookKind::prepare || ending_ || !config_.daemon_mode) return;
  if (!result.succeeded && !runs_reload_command(config_)) return;
  if (result.overtaken && !std::exchange(held_back_, true)) return;
  held_back_ = false;
  notify();
}

void Consumers::notify() {
  const bool first = !notified();
  ++generation_;
  if (std::exchange(reconfigure_due_, false)) {
    if (auto good = reconfigure_others(true); !good) {
      setting_.log.error("The new hooks cannot be run", {{"error", good.error().message}});
    }
  }
  if (child_ != nullptr && !retiring_) child_->published(generation_);
  if (pid_file_ != nullptr) pid_file_->rotated();
  renew_due_ |= std::exchange(unnotified_, {});
  renew_if_due();
  if (first && setting_.on_first) setting_.on_first();
}

// A program that has just started, or is about to start, reads the new files without a notification.
void Consumers::renew_if_due() {
  if (!renew_due_.any() || ending_) return;
  if (child_ != nullptr && !retiring_) {
    const process::Learning learning = child_->learning();
    if (learning == process::Learning::pending) return;  // on_child() calls this again
    if (learning == process::Learning::next_start && config_.renew_cmd_at_start) return;
    if (learning != process::Learning::running && !config_.renew_cmd_at_start) renew_due_ = {};
  }
  const auto changes = std::exchange(renew_due_, {});
  if (renew_ != nullptr && changes.any()) renew_->published(changes);
}

void Consumers::run_once(const Kinds& kinds) {
  renew_due_ = changes_of(kinds);
  if (prepare_ == nullptr) return renew_once();
  prepare_->published(renew_due_);  // continues in hook_ended()
}

void Consumers::renew_once() {
  if (renew_ == nullptr || exit_code_ != 0) return terminate(0);
  // Ends by itself, or is stopped by terminate().
  renew_->published(renew_due_);
}

void Consumers::hook_ended(HookKind kind, int exit_code) {
  if (!config_.daemon_mode) exit_code_ = std::max(exit_code_, exit_code == 0 ? 0 : 1);
  // Posted, because the caller is one of these hooks.
  loop_.post([this, kind] {
    std::erase_if(retired_, [](const auto& each) { return each->ended(); });
    if (kind == HookKind::prepare && !config_.daemon_mode && !ending_) renew_once();
  });
  finish_if_done();
}

void Consumers::on_child(process::ChildNews news) {
  const auto signalled = [this](health::SignalResult result) {
    ++status_.count(result);
    status_.child.signal = result;
  };
  // Posted, because the caller is the child's supervisor.
  if (renew_due_.any()) loop_.post([this] { renew_if_due(); });
  switch (news) {
    case process::ChildNews::started:
      status_.child.up = true;
      status_.child.signal.reset();
      ++status_.child.starts;
      break;
    case process::ChildNews::ended:
      status_.child.up = false;
      ++status_.child.exits;
      break;
    case process::ChildNews::signalled:
      signalled(health::SignalResult::sent);
      break;
    case process::ChildNews::signal_failed:
      signalled(health::SignalResult::failed);
      break;
    case process::ChildNews::signal_withheld:
      signalled(health::SignalResult::withheld);
      break;
  }
}

void Consumers::child_ended(int exit_code) {
  if (retiring_ && !ending_) {
    // Posted, because the caller is the supervisor that is destroyed here.
    loop_.post([this] {
      retiring_ = false;
      child_.reset();
      status_.child.configured = false;
      if (ending_) return finish_if_done();
      if (!reconfigure_due_) reconfigure_child();
    });
    return;
  }
  exit_code_ = exit_code;
  if (!ending_) return terminate(0);
  finish_if_done();
}

void Consumers::terminate(int signal) {
  ending_ = true;
  delay_.cancel();
  if (pid_file_ != nullptr) pid_file_->stop();
  if (child_ != nullptr && !child_->ended()) child_->terminate(signal);
  for (const auto& hook : retired_) hook->stop();
  for (const auto* hook : {&prepare_, &renew_}) {
    if (*hook != nullptr) (*hook)->stop();
  }
  finish_if_done();
}

void Consumers::finish_if_done() {
  const auto runs = [](const auto& each) { return each != nullptr && !each->ended(); };
  if (!config_.daemon_mode && renew_ != nullptr && renew_->ended()) ending_ = true;
  if (!ending_ || runs(child_) || runs(prepare_) || runs(renew_)) return;
  if (std::ranges::any_of(retired_, runs)) return;
  if (std::exchange(finishing_, true)) return;
  on_end_(exit_code_);
}

void Consumers::child_changed() {
  if (child_ != nullptr) child_->child_changed();
  for (const auto* hook : {&prepare_, &renew_}) {
    if (*hook != nullptr) (*hook)->child_changed();
  }
  for (const auto& hook : retired_) hook->child_changed();
}

void Consumers::forward(int signal) {
  if (child_ != nullptr) child_->forward(signal);
}

void Consumers::suspend() {
  if (child_ != nullptr) child_->suspend();
}

void Consumers::share_terminal() {
  if (child_ != nullptr) child_->share_terminal();
}

Result<void> Consumers::reconfigure(const config::Config& config) {
  if (ending_) return {};
  const config::Config before = std::exchange(config_, config);
  if (auto good = reconfigure_prepare(before); !good) return good;
  reconfigure_due_ = under_way(prepare_);
  if (!reconfigure_due_) {
    auto good = reconfigure_others(false);
    if (unnotified_.any()) notify();  // they waited for a prepare_cmd that is no longer running
    return good;
  }
  // A child that is no longer configured need not wait.
  if (config_.cmd.empty() && child_ != nullptr && !std::exchange(retiring_, true)) child_->terminate();
  return {};
}

Result<void> Consumers::reconfigure_prepare(const config::Config& before) {
  auto cut_short = replace_hook(HookKind::prepare, before);
  if (!cut_short) return fail(cut_short.error());
  const bool other = !same_command(HookKind::prepare, before, config_);
  if (prepare_ != nullptr && complete_ && (*cut_short || other)) prepare(changes_of(notify_kinds(config_)));
  return {};
}

Result<bool> Consumers::replace_hook(HookKind kind, const config::Config& before) {
  if (same_hook(kind, before, config_)) return false;
  HookPtr& present = hook(kind);
  const bool cut_short = under_way(present);
  if (present != nullptr) {
    present->stop("the configuration has another one");
    retired_.push_back(std::move(present));
  }
  if (auto good = assemble_hook(kind); !good) return fail(good.error());
  return cut_short;
}

Result<void> Consumers::reconfigure_others(bool notifying) {
  const config::Config before = std::exchange(applied_, config_);
  auto cut_short = replace_hook(HookKind::renew, before);
  if (!cut_short) return fail(cut_short.error());
  if (*cut_short && renew_ != nullptr) renew_->published(changes_of(notify_kinds(config_)));
  if (!retiring_) reconfigure_child();
  if (!same_pid_file(before, config_)) {
    if (pid_file_ != nullptr) pid_file_->stop();
    pid_file_.reset();
    assemble_pid_file();
    if (pid_file_ != nullptr && notified() && !notifying) pid_file_->rotated();
  }
  return {};
}

void Consumers::reconfigure_child() {
  if (child_ == nullptr) {
    assemble_child();
    if (child_ != nullptr && notified()) child_->published(generation_);
  } else if (config_.cmd.empty()) {
    retiring_ = true;
    child_->terminate();
  } else {
    child_->reconfigure(child_options());
  }
}

}  // namespace spiffe::daemon
