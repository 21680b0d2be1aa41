// When and where files are published: now, again after an error, and every 10 s to mend what somebody
// changed. One publication at a time; what comes meanwhile is coalesced, since each is the full state. The
// set goes before the single files (tokens, the JWT bundle), of which there may be a thousand.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/chore.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/trouble_log.hh"
#include "daemon/disk_worker.hh"
#include "output/file_set.hh"
#include "output/publisher.hh"

namespace spiffe::daemon {

// Loop thread only. Where all directories are known to be in memory the publisher is called on the loop, a
// hop to another thread costs as much as a whole set; else it runs as a job of the disk worker. Single files
// are written one a turn of the loop; on a disk one that is being written is given up for a set.
class Publication {
 public:
  struct Callbacks {
    // The set as it should be on disk now; nothing where there is none yet.
    std::function<std::optional<Result<output::FileSet>>()> render;
    // Asked before anything changes: whether what render() gave last may be published. Where not, it has been
    // said why, and render() gives what was right before.
    std::function<bool()> approve;
    // The set that render() gave last is on disk. `first`: for the first time in this process's life, in
    // which case the others are told even where nothing had to be written.
    std::function<void(output::Change change, bool first)> on_disk;
    // The single file of this name as it should be on disk now; nothing where there is none.
    std::function<std::optional<output::File>(const std::string& name)> single;
    // It is on disk.
    std::function<void(const std::string& name, output::Change change)> on_single;
    // The set (name "") or a single file could not be written; it is tried again. Every time, said or not.
    std::function<void(const std::string& name, const Error&)> on_failed;
    // What was withdrawn was there, and is gone.
    std::function<void()> on_withdrawn;
    // Another helper has our files and does not give them up: the daemon cannot begin. Called once. While it
    // is waited for nothing has failed.
    std::function<void(const Error&)> on_locked_out;
  };

  // `clock`: for what is logged again, and how long another helper's lock is waited for.
  static Result<std::unique_ptr<Publication>> create(Loop& loop, output::PublisherOptions options,
                                                     Callbacks callbacks,
                                                     TroubleLog::Clock clock = BootClock::now);
  ~Publication();

  enum class Occasion { launch, reload };
  // Opens the directory and takes the lock; failures are logged and tried again. At the launch of the process
  // on the loop: no program runs that may have to be reaped, and another thread is time. And another helper
  // that has our files is waited for no longer than 30 s then, see on_locked_out.
  void start(Occasion occasion = Occasion::launch);
  // There is a new set to publish.
  void request();
  // There is a new content of this single file. It is written in a later turn of the loop.
  void put(const std::string& name);
  // Removes these names wherever they are. render() and single() must not give them any more.
  void withdraw(std::vector<std::string> names);
  // Removes superseded generations and temporaries, then calls back: at once, or after the running job. What
  // is requested from here on is not done. Called again, the last callback counts.
  void finish(std::function<void()> done);
  // Gives up a job that hangs on a disk. Nothing but leaving the process is allowed after it.
  void abandon();

 private:
  struct Answer;
  using Job = std::function<Answer(output::Publisher&)>;
  Publication(Loop& loop, output::Publisher publisher, Callbacks callbacks, TroubleLog::Clock clock);
  static Answer open(output::Publisher& publisher);
  void check();
  void pump();
  void publish_set();
  void publish_single();
  void run(Job job);
  void done(Answer answer);
  void set_done(const Result<std::optional<output::Outcome>>& outcome);
  void single_done(const std::string& name, const Result<output::Outcome>& outcome);
  void take(const output::Outcome& outcome);
  void done_badly(const std::string& name, const Error& error);
  void done_well(const std::string& name);
  void withdrawal_done(const Result<bool>& done);
  void wait_for_lock(const Error& error, log::Fields fields);
  void try_again();
  void tidy_later();
  void clean_up();
  void tell(const std::vector<output::Notice>& notices);

  Loop& loop_;
  Callbacks callbacks_;
  output::Publisher publisher_;  // used by one thread at a time: by the worker while busy_
  bool busy_ = false;
  bool set_due_ = false;                 // request() was called
  std::atomic<bool> set_waits_ = false;  // it was, while busy_: for the job that is running
  bool given_up_ = false;  // last_single_ was, for a set: it comes next, and is not given up again
  std::unique_ptr<DiskWorker> worker_;
  std::set<std::string> singles_due_;  // put() was called
  std::string last_single_;            // of the last job
  std::set<std::string> singles_;      // all that were ever put
  std::vector<std::string> to_withdraw_;
  std::vector<std::string> not_withdrawn_;  // to be tried again
  bool gives_up_ = false;                   // launched, and the lock was never ours
  bool told_ = false;                       // on_disk was called at least once
  bool finishing_ = false;                  // the end has begun: nothing is published any more
  std::function<void()> finish_;
  bool cleaned_up_ = false;
  std::optional<BootTime> locked_since_;
  bool locked_out_ = false;  // on_locked_out was called
  TroubleLog::Clock clock_;
  TroubleLog troubles_;  // of what is not on disk
  std::chrono::seconds backoff_{0};
  std::minstd_rand random_;
  Chore singles_chore_;
  Timer retry_timer_;
  Timer check_timer_;
  Timer tidy_timer_;
};

}  // namespace spiffe::daemon
