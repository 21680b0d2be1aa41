#include "daemon/publish_queue.hh"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "base/log.hh"

namespace spiffe::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto kMaxBackoff = 60s;
constexpr auto kCheckEvery = 10s;
constexpr auto kLockPoll = 1s;
constexpr auto kLockPatience = 30s;  // in a rolling update, the old pod still holds the lock
constexpr std::string_view kWithdrawal = "withdrawal";

// The name of a group in TroubleLog.
std::string trouble_of(const Group& group) {
  return group == kIdentity ? "set" : "file " + group.name;
}
}  // namespace

// The result of a job.
struct PublishQueue::Answer {
  // Of a job that opened or published.
  std::optional<Group> group = std::nullopt;
  // Empty if nothing was published.
  Result<std::optional<output::Outcome>> outcome = std::optional<output::Outcome>();
  std::shared_ptr<const identity::X509Context> identity = nullptr;
  bool given_up = false;  // a single file, in favour of the identity's files
  // Of a job that withdrew files: whether there were any.
  std::optional<Result<bool>> withdrawn = std::nullopt;
  std::vector<std::string> not_withdrawn = {};
  std::vector<output::Notice> notices = {};
};

Result<std::unique_ptr<PublishQueue>> PublishQueue::create(Loop& loop, SharedDiskWorker& disk,
                                                           output::PublisherOptions options,
                                                           Callbacks callbacks, log::Logger log,
                                                           TroubleLog::Clock clock) {
  auto publisher = output::Publisher::create(std::move(options));
  if (!publisher) return fail(publisher.error());
  return std::unique_ptr<PublishQueue>(new PublishQueue(
      loop, disk, std::move(*publisher), std::move(callbacks), std::move(log), std::move(clock)));
}

PublishQueue::PublishQueue(Loop& loop, SharedDiskWorker& disk, output::Publisher publisher,
                           Callbacks callbacks, log::Logger log, TroubleLog::Clock clock)
    : loop_(loop),
      disk_(disk),
      callbacks_(std::move(callbacks)),
      log_(std::move(log)),
      publisher_(std::move(publisher)),
      clock_(std::move(clock)),
      troubles_(loop, clock_),
      random_(std::random_device{}()),
      singles_chore_(loop,
                     [this] {
                       if (!busy_ && !finishing_) publish_single();
                     }),
      retry_timer_(loop, [this] { check(); }),
      check_timer_(loop,
                   [this] {
                     check();
                     check_timer_.after(kCheckEvery);
                   }),
      tidy_timer_(loop, [this] {
        if (busy_) {
          tidy_timer_.after(1s);
          return;
        }
        run([](output::Publisher& publisher_now) {
          publisher_now.tidy(BootClock::now());
          return Answer{};
        });
      }) {}

// A running job uses our members.
PublishQueue::~PublishQueue() {
  if (busy_ && worker_ != nullptr) worker_->drain();
}

void PublishQueue::start(Occasion occasion) {
  check_timer_.after(kCheckEvery);
  gives_up_ = occasion == Occasion::launch;
  if (occasion == Occasion::launch) {
    busy_ = true;
    done(open(publisher_));
  } else {
    run(open);
  }
}

PublishQueue::Answer PublishQueue::open(output::Publisher& publisher) {
  Answer answer{.group = kIdentity};
  if (auto opened = publisher.open(); !opened) answer.outcome = fail(opened.error());
  answer.notices = publisher.take_notices();
  return answer;
}

void PublishQueue::prepare(const std::function<Result<Content>()>& render) {
  staged_.reset();
  if (busy_ || finishing_ || !publisher_.on_memory()) return;
  // A failure here happens again when the content is requested, and is reported then.
  auto content = render();
  if (!content) return;
  auto files = publisher_.stage(std::move(content->files));
  if (files) staged_.emplace(Staged{std::move(content->identity), *std::move(files)});
}

void PublishQueue::confirm() {
  if (staged_) staged_->confirmed = true;
  request(kIdentity);
}

void PublishQueue::dismiss() {
  staged_.reset();
}

void PublishQueue::request(const Group& group) {
  known_.insert(group);
  due_.insert(group);
  if (busy_ && group == kIdentity) overtaken_ = true;
  pump();
}

void PublishQueue::withdraw(std::vector<std::string> names) {
  to_withdraw_.insert(to_withdraw_.end(), names.begin(), names.end());
  pump();
}

// Publishes everything again: failed files, and files that another process may have changed.
void PublishQueue::check() {
  due_ = known_;
  withdraw(std::exchange(not_withdrawn_, {}));
  pump();
}

void PublishQueue::pump() {
  while (!busy_ && !finishing_) {
    if (!to_withdraw_.empty()) {
      run([names = std::exchange(to_withdraw_, {})](output::Publisher& publisher) -> Answer {
        auto outcome = publisher.withdraw(names);
        if (outcome) {
          return {.withdrawn = outcome->change == output::Change::published, .notices = outcome->notices};
        }
        return {
            .withdrawn = fail(outcome.error()), .not_withdrawn = names, .notices = publisher.take_notices()};
      });
    } else if (due_.erase(kIdentity) != 0) {
      publish(kIdentity);
    } else {
      if (!due_.empty()) singles_chore_.wake();
      return;
    }
  }
}

void PublishQueue::publish(const Group& group) {
  if (group == kIdentity && staged_ && staged_->confirmed) {
    commit(*std::exchange(staged_, std::nullopt));
    return;
  }
  auto content = callbacks_.render(group);
  if (!content) {
    if (group == kIdentity) return run(open);
    return pump();
  }
  if (!*content) {
    done_badly(group, content->error());
    return;
  }
  const bool patient = group == kIdentity || std::exchange(given_up_, false);
  // std::function copies its target, but keys are move-only, so the content is passed in a shared pointer.
  run([this, group, patient,
       all = std::make_shared<Content>(std::move(**content))](output::Publisher& publisher) -> Answer {
    Answer answer{.group = group, .identity = all->identity};
    auto staged = publisher.stage(std::move(all->files));
    if (staged && overtaken_ && !patient) return {.group = group, .given_up = true};
    if (staged) {
      answer.outcome = publisher.commit(*std::move(staged));
    } else {
      answer.outcome = fail(staged.error());
    }
    answer.notices = publisher.take_notices();
    return answer;
  });
}

// Round-robin, so that a file that is due again and again does not delay the others.
void PublishQueue::publish_single() {
  if (due_.empty()) return;
  auto next = given_up_ ? due_.find(last_single_) : due_.upper_bound(last_single_);
  if (next == due_.end()) next = due_.begin();
  last_single_ = *next;
  due_.erase(next);
  publish(last_single_);
}

// Only in memory.
void PublishQueue::commit(Staged staged) {
  Answer answer{.group = kIdentity, .identity = std::move(staged.identity)};
  answer.outcome = publisher_.commit(std::move(staged.files));
  answer.notices = publisher_.take_notices();
  busy_ = true;
  done(std::move(answer));
}

void PublishQueue::run(Job job) {
  busy_ = true;
  overtaken_ = false;
  if (publisher_.on_memory()) {
    done(job(publisher_));
    return;
  }
  staged_.reset();  // prepared when the directories were in memory
  if (worker_ == nullptr) {
    auto worker = disk_.get();
    if (!worker) {
      done(Answer{.group = kIdentity, .outcome = fail(worker.error())});
      return;
    }
    worker_ = std::move(*worker);
  }
  worker_->submit([this, job = std::move(job)] {
    auto answer = std::make_shared<Answer>();
    try {
      *answer = job(publisher_);
    } catch (const std::bad_alloc&) {
      *answer = Answer{.group = kIdentity, .outcome = fail_errno("write files", ENOMEM)};
    }
    loop_.post([this, answer] { done(std::move(*answer)); });
  });
}

void PublishQueue::done(Answer answer) {
  busy_ = false;
  // The worker was needed only to open the directory, before its file system was known.
  if (publisher_.on_memory()) worker_.reset();
  log_notices(answer.notices);
  not_withdrawn_.insert(not_withdrawn_.end(), answer.not_withdrawn.begin(), answer.not_withdrawn.end());
  if (answer.withdrawn) withdrawal_done(*answer.withdrawn);
  if (answer.group) published(answer);
  if (finishing_) {
    clean_up();
    return;
  }
  tidy_later();
  pump();
}

void PublishQueue::published(const Answer& answer) {
  const Group& group = *answer.group;
  if (answer.given_up) {
    given_up_ = true;
    due_.insert(group);
    return;
  }
  if (!answer.outcome) {
    done_badly(group, answer.outcome.error());
    return;
  }
  if (group == kIdentity) gives_up_ = false;
  done_well(group);
  if (!*answer.outcome) return;
  const output::Outcome& outcome = **answer.outcome;
  log_notices(outcome.notices);
  // In a new directory, only the files just written exist.
  if (outcome.moved) due_ = known_;
  callbacks_.on_disk(group, outcome.change, answer.identity);
}

void PublishQueue::done_well(const Group& group) {
  const bool last = troubles_.size() == 1;
  log::Fields fields = log_.with({{"event", "write_restored"}});
  if (!last && group != kIdentity) fields.push_back({"path", group.name});
  if (!troubles_.ended(trouble_of(group),
                       last ? "The files can be written again" : "Some of the files can be written again",
                       std::move(fields)) ||
      !last) {
    return;
  }
  retry_timer_.cancel();
  backoff_ = 0s;
}

void PublishQueue::done_badly(const Group& group, const Error& error) {
  log::Fields fields = log_.with(
      {{"event", error.kind == ErrorKind::locked ? "locked" : "write_failed"}, {"error", error.message}});
  if (group != kIdentity) fields.push_back({"path", group.name});
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  if (error.kind == ErrorKind::locked && gives_up_) {
    wait_for_lock(error, std::move(fields));
    return;
  }
  callbacks_.on_failed(group, error);
  // A cause that affects all files is logged once.
  troubles_.failed(trouble_of(group), error.message,
                   {log::Level::error,
                    group == kIdentity ? "Unable to dump bundle" : "Unable to write " + group.name, fields});
  try_again();
}

void PublishQueue::withdrawal_done(const Result<bool>& done) {
  const std::string what(kWithdrawal);
  if (done) {
    troubles_.ended(what, "The private key can be removed again", log_.with({{"event", "write_restored"}}));
    if (*done) callbacks_.on_withdrawn();
    return;
  }
  const Error& error = done.error();
  log::Fields fields = log_.with({{"event", "write_failed"}, {"error", error.message}});
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  callbacks_.on_failed(kIdentity, error);
  troubles_.failed(what, error.message,
                   {log::Level::error, "Unable to remove the private key", std::move(fields)});
  try_again();
}

void PublishQueue::try_again() {
  if (retry_timer_.armed()) return;  // for another failure of the same round
  backoff_ = std::min<std::chrono::seconds>(kMaxBackoff, std::max<std::chrono::seconds>(1s, backoff_ * 2));
  const double jitter = std::uniform_real_distribution<>(0.0, 0.1)(random_);
  retry_timer_.after(backoff_ + std::chrono::milliseconds(static_cast<long>(
                                    jitter * 1000 * static_cast<double>(backoff_.count()))));
}

void PublishQueue::wait_for_lock(const Error& error, log::Fields fields) {
  const BootTime now = clock_();
  if (!locked_since_) locked_since_ = now;
  if (now - *locked_since_ >= kLockPatience) {
    // Until the daemon has stopped, another timer or a message may try again.
    if (!std::exchange(locked_out_, true)) callbacks_.on_locked_out(error);
    return;
  }
  troubles_.failed(
      trouble_of(kIdentity), error.message,
      {log::Level::warning, "Waiting up to 30 s for another helper to release the files", std::move(fields)});
  retry_timer_.after(kLockPoll);
}

void PublishQueue::tidy_later() {
  if (busy_) return;
  const BootTime now = BootClock::now();
  auto when = publisher_.next_tidy();
  if (when && *when <= now && publisher_.on_memory()) {
    // During a burst of rotations, tidy now instead of in a later turn.
    publisher_.tidy(now);
    when = publisher_.next_tidy();
  }
  if (when) tidy_timer_.at(*when);
}

void PublishQueue::log_notices(const std::vector<output::Notice>& notices) const {
  for (const auto& notice : notices) {
    log_.write(notice.warning ? log::Level::warning : log::Level::info, notice.message,
               {{"event", notice.event}, {"path", notice.path}});
  }
}

void PublishQueue::finish(std::function<void()> done) {
  retry_timer_.cancel();
  check_timer_.cancel();
  tidy_timer_.cancel();
  finishing_ = true;
  staged_.reset();
  finish_ = std::move(done);
  if (!busy_) clean_up();
}

void PublishQueue::clean_up() {
  if (std::exchange(cleaned_up_, true)) {
    std::exchange(finish_, nullptr)();
    return;
  }
  // Through run(), so that the worker does the clean-up on a disk.
  run([](output::Publisher& publisher) {
    publisher.finish();
    return Answer{};
  });
}

void PublishQueue::abandon() {
  if (worker_ != nullptr) worker_->abandon();
}

}  // namespace spiffe::daemon
