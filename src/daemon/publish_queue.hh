// When and where files are published: at once, again after an error, and every 10 s to restore what another
// process changed. Runs one publication at a time. Requests that arrive meanwhile are coalesced, since each
// is the full state. The files of an identity are published before single files (tokens, JWT bundles), of
// which there may be a thousand.
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

// Files that are published together, identified by name. The order of groups is the order of publication.
struct Group {
  enum class Kind {
    identity,  // the files of an X.509 identity, which must match; no name
    single,    // an independent file
  };
  Kind kind = Kind::identity;
  std::string name = {};
  [[nodiscard]] auto operator<=>(const Group&) const = default;
};
inline const Group kIdentity = {};
[[nodiscard]] inline Group single(std::string name) {
  return {Group::Kind::single, std::move(name)};
}

// The intended content of a group on disk.
struct Content {
  output::FileSet files;
  std::shared_ptr<const identity::X509Context> identity = nullptr;  // which the files contain
};

// Loop thread only. If all directories are in memory, the publisher is called on the loop, since a hop to
// another thread costs as much as a whole set. Otherwise it runs as a job of the disk worker. Single files
// are written one per turn of the loop; on a disk, a single file that is being written is given up for a set.
class PublishQueue {
 public:
  using Render = std::function<std::optional<Result<Content>>(const Group&)>;
  struct Callbacks {
    // The content that the group should have on disk now; none if there is none yet.
    Render render;
    // The content rendered last is on disk. `identity`: of that content.
    std::function<void(const Group&, output::Change,
                       const std::shared_ptr<const identity::X509Context>& identity)>
        on_disk;
    // Writing failed; it will be tried again. Called for each failure, logged or not.
    std::function<void(const Group&, const Error&)> on_failed;
    // Files were withdrawn that did exist.
    std::function<void()> on_withdrawn;
    // Another helper locks our files and does not release them, so the daemon cannot start. Called once.
    // While the lock is awaited, no failure is reported.
    std::function<void(const Error&)> on_locked_out;
  };

  // `disk` outlives this. `clock`: for repeated log lines, and the wait for another helper's lock.
  static Result<std::unique_ptr<PublishQueue>> create(Loop& loop, SharedDiskWorker& disk,
                                                      output::PublisherOptions options, Callbacks callbacks,
                                                      log::Logger log = {},
                                                      TroubleLog::Clock clock = BootClock::now);
  ~PublishQueue();

  enum class Occasion { launch, reload };
  // Opens the directory and takes the lock. Failures are logged and tried again. At launch this runs on the
  // loop: there is no child to reap yet, and starting a thread takes time. At launch the lock of another
  // helper is awaited for at most 30 s, see on_locked_out.
  void start(Occasion occasion = Occasion::launch);
  // The identity's files may soon have this content: writes everything that readers cannot see before the
  // switch. If a directory is on a disk, it does nothing and does not call `render`: a disk is too slow for
  // content that may be refused.
  void prepare(const std::function<Result<Content>()>& render);
  // confirm(): the content prepared last was accepted and is published, or the result of Callbacks::render if
  // nothing could be prepared. dismiss(): it was refused.
  void confirm();
  void dismiss();
  // There is new content. Single files are written in a later turn of the loop.
  void request(const Group& group);
  // Removes these names from all directories. Callbacks::render must no longer return them.
  void withdraw(std::vector<std::string> names);
  // Removes superseded generations and temporary files, then calls back: at once, or after the running job.
  // Later requests are ignored. If called again, only the last callback is called.
  void finish(std::function<void()> done);
  // Gives up a job that hangs on a disk. Afterwards only the exit of the process is allowed.
  void abandon();

 private:
  struct Answer;
  using Job = std::function<Answer(output::Publisher&)>;
  // Prepared files of the identity.
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
  void log_notices(const std::vector<output::Notice>& notices) const;

  Loop& loop_;
  SharedDiskWorker& disk_;
  Callbacks callbacks_;
  log::Logger log_;
  output::Publisher publisher_;          // used by one thread at a time: by the worker while busy_
  std::set<Group> due_;                  // requested
  std::set<Group> known_ = {kIdentity};  // ever requested: checked every 10 s
  std::optional<Staged> staged_;         // prepared, if in memory
  Group last_single_{.kind = Group::Kind::single};
  std::shared_ptr<DiskWorker> worker_;  // held while directories are on a disk
  std::vector<std::string> to_withdraw_;
  std::vector<std::string> not_withdrawn_;  // to be tried again
  std::function<void()> finish_;
  std::optional<BootTime> locked_since_;
  bool busy_ = false;
  std::atomic<bool> overtaken_ = false;  // the identity was requested while busy_; read by the running job
  bool given_up_ = false;                // last_single_ was given up: it is next, and is not given up again
  bool gives_up_ = false;                // at launch, until we have the lock: gives up waiting for it
  bool locked_out_ = false;              // on_locked_out was called
  bool finishing_ = false;               // finish() was called: nothing is published any more
  bool cleaned_up_ = false;
  TroubleLog::Clock clock_;
  TroubleLog troubles_;  // of the files that are not on disk
  std::chrono::seconds backoff_{0};
  std::minstd_rand random_;
  Chore singles_chore_;
  Timer retry_timer_;
  Timer check_timer_;
  Timer tidy_timer_;
};

}  // namespace spiffe::daemon
