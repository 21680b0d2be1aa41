#include "daemon/publication.hh"

#include <algorithm>
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
}  // namespace

// What a job did. `outcome` is empty where the job only opened or tidied.
struct Publication::Answer {
  Result<std::optional<output::Outcome>> outcome;
  std::vector<output::Notice> notices = {};
};

Result<std::unique_ptr<Publication>> Publication::create(Loop& loop, output::PublisherOptions options,
                                                         Callbacks callbacks) {
  auto publisher = output::Publisher::create(std::move(options));
  if (!publisher) return fail(publisher.error());
  return std::unique_ptr<Publication>(new Publication(loop, std::move(*publisher), std::move(callbacks)));
}

Publication::Publication(Loop& loop, output::Publisher publisher, Callbacks callbacks)
    : loop_(loop),
      callbacks_(std::move(callbacks)),
      publisher_(std::move(publisher)),
      random_(std::random_device{}()),
      retry_timer_(loop, [this] { request(); }),
      check_timer_(loop,
                   [this] {
                     request();
                     check_timer_.after(kCheckEvery);
                   }),
      tidy_timer_(loop, [this] {
        if (busy_) {
          tidy_timer_.after(1s);
          return;
        }
        run([](output::Publisher& publisher_now) {
          publisher_now.tidy(BootClock::now());
          return Answer{std::nullopt};
        });
      }) {}

Publication::~Publication() = default;

void Publication::start() {
  // On the loop: nothing depends on it yet, and from here on it is known whether the directory is in memory.
  busy_ = true;
  const auto opened = publisher_.open();
  check_timer_.after(kCheckEvery);
  done(opened ? Answer{std::nullopt, publisher_.take_notices()} : Answer{fail(opened.error())});
}

void Publication::request() {
  if (busy_) {
    again_ = true;
    return;
  }
  auto set = callbacks_.render();
  if (!set) {
    run([](output::Publisher& publisher) -> Answer {
      if (auto opened = publisher.open(); !opened) return {fail(opened.error()), publisher.take_notices()};
      return {std::nullopt, publisher.take_notices()};
    });
    return;
  }
  if (!*set) {
    done_badly(set->error());
    return;
  }
  // std::function copies its target; keys are move-only. So the set travels behind a shared pointer.
  run([files = std::make_shared<output::FileSet>(std::move(**set))](output::Publisher& publisher) -> Answer {
    auto outcome = publisher.publish(*files);
    if (!outcome) return {fail(outcome.error()), publisher.take_notices()};
    return {std::move(*outcome)};
  });
}

void Publication::run(std::function<Answer(output::Publisher&)> job) {
  busy_ = true;
  if (publisher_.on_memory()) {
    done(job(publisher_));
    return;
  }
  if (worker_ == nullptr) {
    auto worker = DiskWorker::create();
    if (!worker) {
      done(Answer{fail(worker.error())});
      return;
    }
    worker_ = std::move(*worker);
  }
  worker_->submit([this, job = std::move(job)] {
    auto answer = std::make_shared<Answer>(job(publisher_));
    loop_.post([this, answer] { done(std::move(*answer)); });
  });
}

void Publication::done(Answer answer) {
  busy_ = false;
  tell(answer.notices);
  if (!answer.outcome) {
    done_badly(answer.outcome.error());
  } else {
    opened_ = true;
    locked_since_.reset();
    retry_timer_.cancel();
    backoff_ = 0s;
    if (!std::exchange(last_error_, {}).empty()) {
      log::info("The files can be written again", {{"event", "write_restored"}});
    }
    if (*answer.outcome) done_well(**answer.outcome);
  }
  if (finish_) {
    clean_up();
    return;
  }
  tidy_later();
  if (std::exchange(again_, false)) request();
}

void Publication::done_well(const output::Outcome& outcome) {
  tell(outcome.notices);
  callbacks_.on_disk(outcome.change, !std::exchange(told_, true));
}

void Publication::done_badly(const Error& error) {
  const bool new_cause = std::exchange(last_error_, error.message) != error.message;
  log::Fields fields = {{"event", error.kind == ErrorKind::locked ? "locked" : "write_failed"},
                        {"error", error.message}};
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  if (error.kind == ErrorKind::locked && !opened_) {
    if (!locked_since_) locked_since_ = BootClock::now();
    if (BootClock::now() - *locked_since_ >= kLockPatience) {
      callbacks_.on_locked_out(error);
      return;
    }
    if (new_cause) log::warning("Waiting up to 30 s for another helper to release the files", fields);
    retry_timer_.after(kLockPoll);
    return;
  }
  log::write(new_cause ? log::Level::error : log::Level::debug, "Unable to dump bundle", fields);
  backoff_ = std::min<std::chrono::seconds>(kMaxBackoff, std::max<std::chrono::seconds>(1s, backoff_ * 2));
  const double jitter = std::uniform_real_distribution<>(0.0, 0.1)(random_);
  retry_timer_.after(backoff_ + std::chrono::milliseconds(static_cast<long>(
                                    jitter * 1000 * static_cast<double>(backoff_.count()))));
}

void Publication::tidy_later() {
  if (busy_) return;
  if (const auto when = publisher_.next_tidy()) tidy_timer_.at(*when);
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
  again_ = false;
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
    return Answer{std::nullopt};
  });
}

void Publication::abandon() {
  if (worker_ != nullptr) worker_->abandon();
}

}  // namespace spiffe::daemon
