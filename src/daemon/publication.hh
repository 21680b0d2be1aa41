// When and where a set of files is published: now, again after an error, and every 10 s to mend what somebody
// changed. One publication at a time; what comes meanwhile is coalesced, since each set is the full state.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/loop.hh"
#include "daemon/disk_worker.hh"
#include "output/file_set.hh"
#include "output/publisher.hh"

namespace spiffe::daemon {

// Loop thread only. Where all directories are in memory the publisher is called on the loop, a hop to another
// thread costs as much as a whole set; else it runs as a job of the disk worker.
class Publication {
 public:
  struct Callbacks {
    // The set as it should be on disk now; nothing where there is none yet.
    std::function<std::optional<Result<output::FileSet>>()> render;
    // The set that render() gave last is on disk. `first`: for the first time in this process's life, in
    // which case the others are told even where nothing had to be written.
    std::function<void(output::Change change, bool first)> on_disk;
    // Another helper has our files and does not give them up: the daemon cannot begin.
    std::function<void(const Error&)> on_locked_out;
  };

  static Result<std::unique_ptr<Publication>> create(Loop& loop, output::PublisherOptions options,
                                                     Callbacks callbacks);
  ~Publication();

  // Opens the directory and takes the lock; failures are logged and tried again.
  void start();
  // There is something new to publish.
  void request();
  // Removes superseded generations and temporaries, then calls back: at once, or after the running job.
  void finish(std::function<void()> done);
  // Gives up a job that hangs on a disk. Nothing but leaving the process is allowed after it.
  void abandon();

 private:
  struct Answer;
  Publication(Loop& loop, output::Publisher publisher, Callbacks callbacks);
  void run(std::function<Answer(output::Publisher&)> job);
  void done(Answer answer);
  void done_well(const output::Outcome& outcome);
  void done_badly(const Error& error);
  void tidy_later();
  void clean_up();
  void tell(const std::vector<output::Notice>& notices);

  Loop& loop_;
  Callbacks callbacks_;
  output::Publisher publisher_;  // used by one thread at a time: by the worker while busy_
  std::unique_ptr<DiskWorker> worker_;
  bool busy_ = false;
  bool again_ = false;            // request() was called while busy
  bool opened_ = false;           // the lock was ours at least once
  bool told_ = false;             // on_disk was called at least once
  std::function<void()> finish_;  // set once the end has begun
  bool cleaned_up_ = false;
  std::optional<BootTime> locked_since_;
  std::string last_error_;
  std::chrono::seconds backoff_{0};
  std::minstd_rand random_;
  Timer retry_timer_;
  Timer check_timer_;
  Timer tidy_timer_;
};

}  // namespace spiffe::daemon
