#include "process/reaper.hh"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.hh"
#include "process/proc.hh"

namespace spiffe::process {

namespace {

// Other events on the loop must have their turn.
constexpr int kChildrenPerTurn = 256;

// Not every process that must end is our child, and only children cause a SIGCHLD: a process may have entered
// the container.
constexpr std::chrono::milliseconds kPoll{50};

// 0 if there is none.
pid_t wait_id(idtype_t type, pid_t pid, int flags) {
  siginfo_t info{};
  int rc = 0;
  do {
    rc = ::waitid(type, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | flags);
  } while (rc != 0 && errno == EINTR);
  return rc == 0 ? info.si_pid : 0;
}

}  // namespace

Result<std::unique_ptr<Reaper>> Reaper::create(Loop& loop, bool subreaper) {
  const bool init = ::getpid() == 1;
  if (!init && !subreaper) return nullptr;
  if (!init && ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return fail_errno("become a subreaper", errno);
  std::unique_ptr<Reaper> self(new Reaper(loop, init));
  self->reap();
  return self;
}

Reaper::Reaper(Loop& loop, bool init)
    : init_(init), more_(loop, [this] { child_changed(); }), poll_(loop, [this] { child_changed(); }) {}

Reaper::Claim::Claim(Claim&& other) noexcept
    : reaper_(std::exchange(other.reaper_, nullptr)), pid_(other.pid_), number_(other.number_) {}

Reaper::Claim::~Claim() {
  if (reaper_ == nullptr) return;
  const auto found = reaper_->claims_.find(pid_);
  if (found != reaper_->claims_.end() && found->second.number == number_) reaper_->claims_.erase(found);
}

Reaper::Claim Reaper::claim(pid_t pid, std::function<void()> on_ended) {
  claims_.insert_or_assign(pid, Entry{++last_number_, std::move(on_ended)});
  return {*this, pid, last_number_};
}

void Reaper::child_changed() {
  reap();
  if (on_done_) go_on_ending();
}

void Reaper::Claim::hold() {
  const auto found = reaper_->claims_.find(pid_);
  if (found != reaper_->claims_.end() && found->second.number == number_) found->second.held = true;
}

void Reaper::reap() {
  last_called_ = 0;
  const auto held = [](const auto& each) { return each.second.held; };
  for (int i = 0; i < kChildrenPerTurn; ++i) {
    if (std::ranges::any_of(claims_, held)) return reap_beside_held();
    if (!reap_one()) return;
  }
  more_.after(std::chrono::nanoseconds::zero());
}

// waitid() returns one child, and the same one until it is reaped.
bool Reaper::reap_one() {
  const pid_t pid = wait_id(P_ALL, 0, WNOWAIT);
  if (pid == 0) return false;
  take(pid);
  return true;
}

// While a child is held, waitid() would return only that one.
void Reaper::reap_beside_held() {
  for (const Process& each : processes()) {
    if (each.stat.parent != ::getpid() || !each.stat.ended()) continue;
    const auto found = claims_.find(each.pid);
    if (found == claims_.end() || !found->second.held) take(each.pid);
  }
}

void Reaper::take(pid_t pid) {
  const auto found = claims_.find(pid);
  if (found != claims_.end() && found->second.number != last_called_) {
    last_called_ = found->second.number;
    const auto on_ended = found->second.on_ended;  // a copy: the owner may drop its claim
    on_ended();
    return;
  }
  if (found != claims_.end()) {
    log::error("a child was not reaped by its owner",
               {{"event", "child_unclaimed"}, {"pid", std::to_string(pid)}});
    claims_.erase(found);
  }
  wait_id(P_PID, pid, 0);
  log::debug("orphan reaped", {{"event", "orphan_reaped"}, {"pid", std::to_string(pid)}});
}

void Reaper::end_others(std::function<void()> on_done) {
  if (!init_) return on_done();
  on_done_ = std::move(on_done);
  deadline_ = BootClock::now() + kGrace;
  ::kill(-1, SIGTERM);  // all processes except this one
  ::kill(-1, SIGCONT);
  child_changed();
}

void Reaper::go_on_ending() {
  const bool alone = ::kill(-1, 0) != 0 && errno == ESRCH;
  const bool late = BootClock::now() >= deadline_;
  if (alone || (late && killed_)) {
    if (!alone) log::warning("processes that were killed are still there", {{"event", "others_left"}});
    poll_.cancel();
    std::exchange(on_done_, nullptr)();
    return;
  }
  if (late) {
    log::warning("processes that did not end are killed", {{"event", "others_killed"}});
    ::kill(-1, SIGKILL);
    killed_ = true;
    deadline_ = BootClock::now() + kKillPatience;
  }
  poll_.after(kPoll);
}

}  // namespace spiffe::process
