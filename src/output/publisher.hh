// Puts file sets on disk so that whoever opens a file gets a whole one, and whoever follows one snapshot gets
// a key that belongs to its certificate: at every instant, through crashes, full disks and restarts.
//
// Synchronous, knows no threads and does not log: what people should hear comes back as notices. One
// Publisher owns the names it was created with in one cert_dir; a lock file keeps other processes off them.
// It may be used from any one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/result.hh"
#include "output/file_set.hh"
#include "output/notice.hh"
#include "output/options.hh"

namespace spiffe::output {

struct PublisherOptions {
  std::string cert_dir = {};  // "" = working directory; a symlink is followed
  Layout layout = Layout::snapshot;
  std::vector<std::string> names;  // all outputs, of sets and single ones: what the lock is about
  // Of names that end with "*", what the directory can hold (Format::members).
  std::map<std::string, std::string> members = {};
  bool create_cert_dir = false;  // make it, its parents and the directories of outputs where missing (0755)
  // Refuse a directory that others, or a group that is neither ours nor among these, can write without the
  // sticky bit.
  bool require_secure_dir = false;
  std::vector<gid_t> trusted_groups = {};
  bool one_shot = false;  // no lock file stays after finish(), whatever the layout

  [[nodiscard]] bool operator==(const PublisherOptions&) const = default;
};

// Ordered: a later one says more.
enum class Change {
  unchanged,  // nothing was written
  repaired,  // same content; a missing link or file, a wrong mode or owner was put right: no reason to signal
  published,  // new content
};

struct Outcome {
  Change change = Change::unchanged;
  std::string generation;  // id of the live generation; empty in the other layouts
  // The directory was replaced since it was last looked at, and all that lived there is gone: every other set
  // and single file of this publisher must be published again. Told once.
  bool moved = false;
  std::vector<Notice> notices;
};

class Publisher {
 public:
  // Touches no file. Errors are of kind config: a bad name, or one name twice.
  static Result<Publisher> create(PublisherOptions options);
  Publisher(Publisher&&) noexcept;
  Publisher& operator=(Publisher&&) noexcept;
  ~Publisher();  // closes descriptors and so gives the lock back; leaves the disk as it is

  // Opens the directory, takes the lock and removes what an earlier life left behind. Where all of that is
  // done already it only looks whether the path still names the same directory: one stat, cheap. Error kind
  // `locked`: another helper has these names (try again later). stage() and the like call it themselves.
  Result<void> open();

  // What open() does, for a timer (every 10 s). True: the directory was replaced by another one, publish
  // everything again.
  Result<bool> check();

  // Files that are ready to be published: written out of sight, under names that no reader knows. Dropped, it
  // removes what was made; it may outlive the publisher. As all calls it belongs to one thread at a time.
  class Staged {
   public:
    Staged(Staged&&) noexcept;
    Staged& operator=(Staged&&) noexcept;
    ~Staged();

   private:
    friend class Publisher;
    struct Parts;
    explicit Staged(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
  };

  // Prepares all that can be prepared without a change that readers see. On an error what was begun is
  // removed, and the same call may be made again at any time.
  Result<Staged> stage(FileSet files);

  // Makes it what is on disk. A directory with members holds no others afterwards: what an earlier life left
  // goes, once. What has changed here since stage() is taken into account: at worst it is staged once more.
  // On an error before the switch the previous generation is untouched; stage() and commit() mend the rest.
  Result<Outcome> commit(Staged staged, BootTime now = BootClock::now());

  // Removes these names, in all generations (revoke = "remove"); of a directory's "*" all members. They come
  // back with the next publication.
  Result<Outcome> withdraw(std::span<const std::string> names);

  // Superseded generations go 10 s after they were superseded, so that readers between readlink and open find
  // their file. next_tidy(): when tidy() has something to do next.
  void tidy(BootTime now);
  [[nodiscard]] std::optional<BootTime> next_tidy() const;

  // An orderly exit: superseded generations and temporaries go at once. The live generation stays, and with
  // it the lock file, which says whose it is; the other layouts leave none. The last call before the end.
  void finish();

  // True where all directories are in memory (tmpfs, ramfs): calls cannot hang on a disk. After open().
  [[nodiscard]] bool on_memory() const;

  // Notices that no Outcome has carried yet (after an error).
  std::vector<Notice> take_notices();

 private:
  struct State;
  explicit Publisher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spiffe::output
