#include "daemon/publication.hh"

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
constexpr auto kLockPatience = 30s;  // a rolling update: the old pod still has the files
constexpr std::string_view kWithdrawal = "withdrawal";

// What TroubleLog knows a file by, or the set (name "").
std::string trouble_of(const std::string& name) {
  return name.empty() ? "set" : "file " + name;
}
}  // namespace

// What a job did.
struct Publication::Answer {
  struct Single {
    std::string name;
    Result<output::Outcome> outcome;
  };
  // Of a job that opened, published a set or tidied: its outcome is empty where it did not publish.
  std::optional<Result<std::optional<output::Outcome>>> set = std::nullopt;
  std::optional<Single> single = std::nullopt;
  // Of a job that withdrew files: whether something was there.
  std::optional<Result<bool>> withdrawn = std::nullopt;
  std::vector<std::string> not_withdrawn = {};
  std::vector<output::Notice> notices = {};
};

Result<std::unique_ptr<Publication>> Publication::create(Loop& loop, output::PublisherOptions options,
                                                         Callbacks callbacks, TroubleLog::Clock clock) {
  auto publisher = output::Publisher::create(std::move(options));
  if (!publisher) return fail(publisher.error());
  return std::unique_ptr<Publication>(
      new Publication(loop, std::move(*publisher), std::move(callbacks), std::move(clock)));
}

Publication::Publication(Loop& loop, output::Publisher publisher, Callbacks callbacks,
                         TroubleLog::Clock clock)
    : loop_(loop),
      callbacks_(std::move(callbacks)),
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

Publication::~Publication() = default;

void Publication::start(Occasion occasion) {
  check_timer_.after(kCheckEvery);
  gives_up_ = occasion == Occasion::launch;
  if (occasion == Occasion::launch) {
    busy_ = true;
    done(open(publisher_));
  } else {
    run(open);
  }
}

Publication::Answer Publication::open(output::Publisher& publisher) {
  Answer answer{.set = std::optional<output::Outcome>()};
  if (auto opened = publisher.open(); !opened) answer.set = fail(opened.error());
  answer.notices = publisher.take_notices();
  return answer;
}

void Publication::request() {
  set_due_ = true;
  set_waits_ = busy_;
  pump();
}

void Publication::put(const std::string& name) {
  singles_.insert(name);
  singles_due_.insert(name);
  pump();
}

void Publication::withdraw(std::vector<std::string> names) {
  to_withdraw_.insert(to_withdraw_.end(), names.begin(), names.end());
  pump();
}

// Everything once more: what failed, and what somebody may have changed.
void Publication::check() {
  singles_due_ = singles_;
  set_due_ = true;
  withdraw(std::exchange(not_withdrawn_, {}));
  pump();
}

void Publication::pump() {
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
    } else if (std::exchange(set_due_, false)) {
      publish_set();
    } else {
      if (!singles_due_.empty()) singles_chore_.wake();
      return;
    }
  }
}

void Publication::publish_set() {
  // A slow disk is not worth preparing on what may be refused, and its thread must not ask us.
  if (!publisher_.on_memory()) callbacks_.approve();
  auto set = callbacks_.render();
  if (!set) {
    run(open);
    return;
  }
  if (!*set) {
    done_badly("", set->error());
    return;
  }
  // std::function copies its target; keys are move-only. So the set travels behind a shared pointer.
  run([files = std::make_shared<output::FileSet>(std::move(**set)),
       approve =
           publisher_.on_memory() ? callbacks_.approve : nullptr](output::Publisher& publisher) -> Answer {
    auto outcome = publisher.publish(*files, BootClock::now(), approve);
    // What the message was worth is said now, even where the disk takes nothing.
    if (!outcome && approve && !approve()) return {.set = fail(ErrorKind::verification, "not approved")};
    if (!outcome) return {.set = fail(outcome.error()), .notices = publisher.take_notices()};
    return {.set = std::optional(std::move(*outcome))};
  });
}

void Publication::publish_single() {
  if (singles_due_.empty()) return;
  // In turn: one that is due again and again does not keep the others waiting.
  auto next = given_up_ ? singles_due_.find(last_single_) : singles_due_.upper_bound(last_single_);
  if (next == singles_due_.end()) next = singles_due_.begin();
  const bool patient = !std::exchange(given_up_, false);
  last_single_ = *next;
  singles_due_.erase(next);
  auto due = callbacks_.single(last_single_);
  if (!due) {
    pump();
    return;
  }
  run([this, patient, file = std::make_shared<output::File>(*std::move(due))](output::Publisher& publisher) {
    auto outcome = publisher.publish_single(*file, [&] { return !patient || !set_waits_; });
    return Answer{.single = {{file->name, std::move(outcome)}}, .notices = publisher.take_notices()};
  });
}

void Publication::run(Job job) {
  busy_ = true;
  set_waits_ = false;
  if (publisher_.on_memory()) {
    done(job(publisher_));
    return;
  }
  if (worker_ == nullptr) {
    auto worker = DiskWorker::create();
    if (!worker) {
      done(Answer{.set = fail(worker.error())});
      return;
    }
    worker_ = std::move(*worker);
  }
  worker_->submit([this, job = std::move(job)] {
    auto answer = std::make_shared<Answer>();
    try {
      *answer = job(publisher_);
    } catch (const std::bad_alloc&) {
      answer->set = fail_errno("write files", ENOMEM);
    }
    loop_.post([this, answer] { done(std::move(*answer)); });
  });
}

void Publication::done(Answer answer) {
  busy_ = false;
  // Its one job was to open the directory, before this was known.
  if (publisher_.on_memory()) worker_.reset();
  tell(answer.notices);
  not_withdrawn_.insert(not_withdrawn_.end(), answer.not_withdrawn.begin(), answer.not_withdrawn.end());
  if (answer.withdrawn) withdrawal_done(*answer.withdrawn);
  if (answer.set) set_done(*answer.set);
  if (answer.single) single_done(answer.single->name, answer.single->outcome);
  if (finishing_) {
    clean_up();
    return;
  }
  tidy_later();
  pump();
}

void Publication::set_done(const Result<std::optional<output::Outcome>>& outcome) {
  if (!outcome) {
    done_badly("", outcome.error());
    return;
  }
  gives_up_ = false;
  done_well("");
  if (!*outcome) return;
  take(**outcome);
  callbacks_.on_disk((*outcome)->change, !std::exchange(told_, true));
}

void Publication::single_done(const std::string& name, const Result<output::Outcome>& outcome) {
  if (!outcome && outcome.error().kind == ErrorKind::verification) {
    given_up_ = true;
    singles_due_.insert(name);
    return;
  }
  if (!outcome) {
    done_badly(name, outcome.error());
    return;
  }
  done_well(name);
  take(*outcome);
  callbacks_.on_single(name, outcome->change);
}

void Publication::take(const output::Outcome& outcome) {
  tell(outcome.notices);
  if (!outcome.moved) return;
  // Another directory: nothing of ours is there but what was just written.
  singles_due_ = singles_;
  set_due_ = true;
}

void Publication::done_well(const std::string& name) {
  const bool last = troubles_.size() == 1;
  log::Fields fields = {{"event", "write_restored"}};
  if (!last && !name.empty()) fields.push_back({"path", name});
  if (!troubles_.ended(trouble_of(name),
                       last ? "The files can be written again" : "Some of the files can be written again",
                       std::move(fields)) ||
      !last) {
    return;
  }
  retry_timer_.cancel();
  backoff_ = 0s;
}

void Publication::done_badly(const std::string& name, const Error& error) {
  if (error.kind == ErrorKind::verification) return;  // not approved: what is on disk stays
  log::Fields fields = {{"event", error.kind == ErrorKind::locked ? "locked" : "write_failed"},
                        {"error", error.message}};
  if (!name.empty()) fields.push_back({"path", name});
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  if (error.kind == ErrorKind::locked && gives_up_) {
    wait_for_lock(error, std::move(fields));
    return;
  }
  callbacks_.on_failed(name, error);
  // What stands in the way of all files is said once.
  troubles_.failed(
      trouble_of(name), error.message,
      {log::Level::error, name.empty() ? "Unable to dump bundle" : "Unable to write " + name, fields});
  try_again();
}

void Publication::withdrawal_done(const Result<bool>& done) {
  const std::string what(kWithdrawal);
  if (done) {
    troubles_.ended(what, "The private key can be removed again", {{"event", "write_restored"}});
    if (*done) callbacks_.on_withdrawn();
    return;
  }
  const Error& error = done.error();
  log::Fields fields = {{"event", "write_failed"}, {"error", error.message}};
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  callbacks_.on_failed("", error);
  troubles_.failed(what, error.message,
                   {log::Level::error, "Unable to remove the private key", std::move(fields)});
  try_again();
}

void Publication::try_again() {
  if (retry_timer_.armed()) return;  // for something else that failed in the same round
  backoff_ = std::min<std::chrono::seconds>(kMaxBackoff, std::max<std::chrono::seconds>(1s, backoff_ * 2));
  const double jitter = std::uniform_real_distribution<>(0.0, 0.1)(random_);
  retry_timer_.after(backoff_ + std::chrono::milliseconds(static_cast<long>(
                                    jitter * 1000 * static_cast<double>(backoff_.count()))));
}

void Publication::wait_for_lock(const Error& error, log::Fields fields) {
  const BootTime now = clock_();
  if (!locked_since_) locked_since_ = now;
  if (now - *locked_since_ >= kLockPatience) {
    // Until the daemon has ended us another timer, or a message, may look once more.
    if (!std::exchange(locked_out_, true)) callbacks_.on_locked_out(error);
    return;
  }
  troubles_.failed(
      trouble_of(""), error.message,
      {log::Level::warning, "Waiting up to 30 s for another helper to release the files", std::move(fields)});
  retry_timer_.after(kLockPoll);
}

void Publication::tidy_later() {
  if (busy_) return;
  const BootTime now = BootClock::now();
  auto when = publisher_.next_tidy();
  if (when && *when <= now && publisher_.on_memory()) {
    // A flood of rotations: as well at once as in a round of its own.
    publisher_.tidy(now);
    when = publisher_.next_tidy();
  }
  if (when) tidy_timer_.at(*when);
}

void Publication::tell(const std::vector<output::Notice>& notices) {
  for (const auto& notice : notices) {
    log::write(notice.warning ? log::Level::warning : log::Level::info, notice.message,
               {{"event", notice.event}, {"path", notice.path}});
  }
}

void Publication::finish(std::function<void()> done) {
  retry_timer_.cancel();
  check_timer_.cancel();
  tidy_timer_.cancel();
  finishing_ = true;
  finish_ = std::move(done);
  if (!busy_) clean_up();
}

void Publication::clean_up() {
  if (std::exchange(cleaned_up_, true)) {
    std::exchange(finish_, nullptr)();
    return;
  }
  // Through run(): on a disk the clean-up, too, is the worker's.
  run([](output::Publisher& publisher) {
    publisher.finish();
    return Answer{};
  });
}

void Publication::abandon() {
  if (worker_ != nullptr) worker_->abandon();
}

}  // namespace spiffe::daemon
