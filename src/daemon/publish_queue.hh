// When and where files are published: now, again after an error, and every 10 s to mend what somebody
// changed. One publication at a time; what comes meanwhile is coalesced, since each is the full state. The
// files of an identity go before single files (tokens, JWT bundles), of which there may be a thousand.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
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
#include "identity/x509_context.hh"
#include "output/file_set.hh"
#include "output/publisher.hh"

namespace spiffe::daemon {

// Files that are published as a whole, by their name. In the order in which they are published.
struct Group {
  enum class Kind {
    identity,  // the files of an X.509 identity, which must agree; without a name
    single,    // a file that stands alone
  };
  Kind kind = Kind::identity;
  std::string name = {};
  [[nodiscard]] auto operator<=>(const Group&) const = default;
};
inline const Group kIdentity = {};
[[nodiscard]] inline Group single(std::string name) {
  return {Group::Kind::single, std::move(name)};
}

// What a group should be on disk.
struct Content {
  output::FileSet files;
  std::shared_ptr<const identity::X509Context> identity = nullptr;  // which the files say
};

// Loop thread only. Where all directories are known to be in memory the publisher is called on the loop, a
// hop to another thread costs as much as a whole set; else it runs as a job of the disk worker. Single files
// are written one a turn of the loop; on a disk one that is being written is given up for a set.
class PublishQueue {
 public:
  using Render = std::function<std::optional<Result<Content>>(const Group&)>;
  struct Callbacks {
    // The group as it should be on disk now; nothing where there is none yet.
    Render render;
    // What was rendered last is on disk. `identity`: of that content.
    std::function<void(const Group&, output::Change,
                       const std::shared_ptr<const identity::X509Context>& identity)>
        on_disk;
    // It could not be written; it is tried again. Every time, logged or not.
    std::function<void(const Group&, const Error&)> on_failed;
    // What was withdrawn was there, and is gone.
    std::function<void()> on_withdrawn;
    // Another helper has our files and does not give them up: the daemon cannot begin. Called once. While it
    // is waited for nothing has failed.
    std::function<void(const Error&)> on_locked_out;
  };

  // `disk` outlives this. `clock`: for what is logged again, and how long another helper's lock is waited
  // for.
  static Result<std::unique_ptr<PublishQueue>> create(Loop& loop, SharedDiskWorker& disk,
                                                      output::PublisherOptions options, Callbacks callbacks,
                                                      log::Logger log = {},
                                                      TroubleLog::Clock clock = BootClock::now);
  ~PublishQueue();

  enum class Occasion { launch, reload };
  // Opens the directory and takes the lock; failures are logged and tried again. At the launch of the process
  // on the loop: no program runs that may have to be reaped, and another thread is time. And another helper
  // that has our files is waited for no longer than 30 s then, see on_locked_out.
  void start(Occasion occasion = Occasion::launch);
  // The files of the identity may soon be these: writes what no reader sees before the switch. Where a
  // directory is on a disk it does nothing and does not call `render`: a disk is too slow for what may be
  // refused.
  void prepare(const std::function<Result<Content>()>& render);
  // What was prepared last is right: it is published, or what Callbacks::render gives where nothing could be
  // prepared. Or it is not.
  void confirm();
  void dismiss();
  // There is new content. A single file is written in a later turn of the loop.
  void request(const Group& group);
  // Removes these names wherever they are. Callbacks::render must not give them any more.
  void withdraw(std::vector<std::string> names);
  // Removes superseded generations and temporaries, then calls back: at once, or after the running job. What
  // is requested from here on is not done. Called again, the last callback counts.
  void finish(std::function<void()> done);
  // Gives up a job that hangs on a disk. Nothing but leaving the process is allowed after it.
  void abandon();

 private:
  struct Answer;
  using Job = std::function<Answer(output::Publisher&)>;
  // Files of the identity that are ready.
  struct Staged {
    std::shared_ptr<const identity::X509Context> identity;
    output::Publisher::Staged files;
    bool confirmed = false;
  };
  PublishQueue(Loop& loop, SharedDiskWorker& disk, output::Publisher publisher, Callbacks callbacks,
               log::Logger log, TroubleLog::Clock clock);
  static Answer open(output::Publisher& publisher);
  void check();
  void pump();
  void publish(const Group& group);
  void publish_single();
  void commit(Staged staged);
  void run(Job job);
  void done(Answer answer);
  void published(const Answer& answer);
  void done_badly(const Group& group, const Error& error);
  void done_well(const Group& group);
  void withdrawal_done(const Result<bool>& done);
  void wait_for_lock(const Error& error, log::Fields fields);
  void try_again();
  void tidy_later();
  void clean_up();
  void tell(const std::vector<output::Notice>& notices) const;

  Loop& loop_;
  SharedDiskWorker& disk_;
  Callbacks callbacks_;
  log::Logger log_;
  output::Publisher publisher_;          // used by one thread at a time: by the worker while busy_
  std::set<Group> due_;                  // requested
  std::set<Group> known_ = {kIdentity};  // ever requested: to be looked at every 10 s
  std::optional<Staged> staged_;         // prepared, on memory
  Group last_single_{.kind = Group::Kind::single};
  std::shared_ptr<DiskWorker> worker_;  // kept where directories are on a disk
  std::vector<std::string> to_withdraw_;
  std::vector<std::string> not_withdrawn_;  // to be tried again
  std::function<void()> finish_;
  std::optional<BootTime> locked_since_;
  bool busy_ = false;
  std::atomic<bool> overtaken_ = false;  // the identity was requested while busy_: for the running job
  bool given_up_ = false;    // last_single_ was, for that: it comes next, and is not given up again
  bool gives_up_ = false;    // launched, and the lock was never ours
  bool locked_out_ = false;  // on_locked_out was called
  bool finishing_ = false;   // the end has begun: nothing is published any more
  bool cleaned_up_ = false;
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
