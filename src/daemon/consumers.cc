#include "daemon/consumers.hh"

#include <algorithm>
#include <utility>

#include "daemon/settings.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;
using health::Kind;

namespace {

// Changes that keep coming put the telling off, but by no more than this many renew_debounces.
constexpr int kMostDebounces = 4;

process::Changes changes_of(const Consumers::Kinds& kinds) {
  return {.x509 = kinds.contains(Kind::x509),
          .jwt = kinds.contains(Kind::jwt),
          .bundle = kinds.contains(Kind::bundle)};
}

bool same_renew_command(const config::Config& one, const config::Config& other) {
  return one.renew_cmd == other.renew_cmd && one.renew_cmd_timeout == other.renew_cmd_timeout &&
         one.cert_dir == other.cert_dir && one.agent_address.uri() == other.agent_address.uri();
}

bool same_pid_file(const config::Config& one, const config::Config& other) {
  return one.pid_file_name == other.pid_file_name && one.renew_signal == other.renew_signal &&
         one.pid_file_check == other.pid_file_check;
}

}  // namespace

Result<std::unique_ptr<Consumers>> Consumers::create(Loop& loop, const config::Config& config,
                                                     Setting setting, health::Status& status,
                                                     std::function<void(int)> on_end) {
  std::unique_ptr<Consumers> self(new Consumers(loop, config, setting, status, std::move(on_end)));
  auto reaper = process::Reaper::create(loop, config.subreaper);
  if (!reaper) return fail(reaper.error());
  self->reaper_ = std::move(*reaper);
  if (auto good = self->assemble_renew_command(); !good) return fail(good.error());
  self->assemble_child();
  self->assemble_pid_file();
  return self;
}

Consumers::Consumers(Loop& loop, const config::Config& config, Setting setting, health::Status& status,
                     std::function<void(int)> on_end)
    : loop_(loop),
      config_(config),
      setting_(setting),
      status_(status),
      on_end_(std::move(on_end)),
      random_(std::random_device()()),
      delay_(loop, [this] { tell(); }) {}

Result<void> Consumers::assemble_renew_command() {
  if (config_.renew_cmd.empty() || (!config_.daemon_mode && !config_.renew_cmd_once)) return {};
  auto options = renew_options(config_, setting_.found_signals);
  options.launch.core_dumps = setting_.core_dumps;
  options.reaper = reaper_.get();
  auto command = process::Hook::create(loop_, std::move(options), [this](int exit_code) {
    if (!config_.daemon_mode) exit_code_ = std::max(exit_code_, exit_code == 0 ? 0 : 1);
    // Posted: it is one of them that calls.
    loop_.post([this] { std::erase_if(retired_, [](const auto& each) { return each->ended(); }); });
    finish_if_done();
  });
  if (!command) return fail(command.error());
  renew_command_ = std::move(*command);
  return {};
}

void Consumers::assemble_child() {
  status_.child.configured = !config_.cmd.empty() && config_.daemon_mode;
  if (!status_.child.configured) return;
  child_ = std::make_unique<process::Supervision>(loop_, child_options(),
                                                  [this](int exit_code) { child_ended(exit_code); });
}

process::Supervision::Options Consumers::child_options() {
  auto options = daemon::child_options(config_, setting_.found_signals);
  options.launch.core_dumps = setting_.core_dumps;
  options.reaper = reaper_.get();
  options.on_news = [this](process::ChildNews news) { on_child(news); };
  return options;
}

void Consumers::assemble_pid_file() {
  if (config_.pid_file_name.empty()) return;
  auto options = pid_file_options(config_);
  options.on_result = [this](bool sent) {
    ++status_.count(sent ? health::SignalResult::sent : health::SignalResult::failed);
  };
  pid_file_ = std::make_unique<process::PidFile>(loop_, std::move(options));
}

void Consumers::changed(const Kinds& kinds) {
  if (ending_) return;
  changes_ |= changes_of(kinds);
  if (generation_ == 0 || config_.renew_debounce + config_.renew_splay == 0ns) return tell();
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

void Consumers::tell() {
  delay_.cancel();
  changing_since_.reset();
  ++generation_;
  const auto changes = std::exchange(changes_, {});
  if (renew_command_ != nullptr) renew_command_->published(changes);
  if (child_ != nullptr && !retiring_) child_->published(generation_);
  if (pid_file_ != nullptr) pid_file_->rotated();
}

void Consumers::run_once(const Kinds& kinds) {
  if (renew_command_ == nullptr) return terminate(0);
  // It ends by itself, or with terminate().
  renew_command_->published(changes_of(kinds));
}

void Consumers::on_child(process::ChildNews news) {
  switch (news) {
    case process::ChildNews::started:
      status_.child.up = true;
      ++status_.child.starts;
      break;
    case process::ChildNews::ended:
      status_.child.up = false;
      ++status_.child.exits;
      break;
    case process::ChildNews::signalled:
      ++status_.count(health::SignalResult::sent);
      break;
    case process::ChildNews::signal_failed:
      ++status_.count(health::SignalResult::failed);
      break;
    case process::ChildNews::signal_withheld:
      ++status_.count(health::SignalResult::withheld);
      break;
  }
}

void Consumers::child_ended(int exit_code) {
  if (retiring_ && !ending_) {
    // Posted: it is that child's supervision that calls.
    loop_.post([this] {
      retiring_ = false;
      child_.reset();
      if (ending_) return finish_if_done();
      assemble_child();
      if (child_ != nullptr && generation_ > 0) child_->published(generation_);
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
  for (const auto& command : retired_) command->stop();
  if (renew_command_ != nullptr) renew_command_->stop();
  finish_if_done();
}

void Consumers::finish_if_done() {
  const auto runs = [](const auto& each) { return each != nullptr && !each->ended(); };
  if (!config_.daemon_mode && renew_command_ != nullptr && renew_command_->ended()) ending_ = true;
  if (!ending_ || runs(child_) || runs(renew_command_) || std::ranges::any_of(retired_, runs)) return;
  if (std::exchange(finishing_, true)) return;
  if (reaper_ == nullptr) return on_end_(exit_code_);
  reaper_->end_others([this] { on_end_(exit_code_); });
}

void Consumers::child_changed() {
  if (child_ != nullptr) child_->child_changed();
  if (renew_command_ != nullptr) renew_command_->child_changed();
  for (const auto& command : retired_) command->child_changed();
  if (reaper_ != nullptr) reaper_->child_changed();  // what is left
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
  if (!same_renew_command(before, config_)) {
    // A run that is cut short is made up for by the new command.
    const bool under_way =
        renew_command_ != nullptr && renew_command_->state() != process::HookSchedule::State::idle;
    if (renew_command_ != nullptr) {
      renew_command_->stop("the configuration has another one");
      retired_.push_back(std::move(renew_command_));
    }
    if (auto good = assemble_renew_command(); !good) return good;
    if (renew_command_ != nullptr && under_way) {
      renew_command_->published(changes_of(notify_kinds(config_)));
    }
  }
  if (child_ == nullptr) {
    assemble_child();
    if (child_ != nullptr && generation_ > 0) child_->published(generation_);
  } else if (config_.cmd.empty()) {
    if (!std::exchange(retiring_, true)) child_->terminate();
  } else if (!retiring_) {
    child_->reconfigure(child_options());
  }
  if (!same_pid_file(before, config_)) {
    if (pid_file_ != nullptr) pid_file_->stop();
    pid_file_.reset();
    assemble_pid_file();
    if (pid_file_ != nullptr && generation_ > 0) pid_file_->rotated();
  }
  return {};
}

}  // namespace spiffe::daemon
