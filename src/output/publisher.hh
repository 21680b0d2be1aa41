// Writes file sets to disk such that every reader gets a complete file, and a reader of one snapshot gets a
// key that belongs to its certificate: at every instant, through crashes, full disks and restarts.
//
// Synchronous, uses no threads and does not log: it returns notices for the operator. One Publisher owns the
// names that it was created with in one cert_dir; a lock file keeps other processes from using them. It may
// be used by one thread at a time.
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
  std::string cert_dir = {};  // "" is the working directory; a symlink is followed
  Layout layout = Layout::snapshot;
  std::vector<std::string> names;  // all outputs, of sets and single ones, which the lock covers
  // For names that end with "*": the possible content of the directory (Format::members).
  std::map<std::string, std::string> members = {};
  bool create_cert_dir = false;  // create it, its parents and the directories of outputs if missing (0755)
  // Refuse a directory that is writable, without the sticky bit, by others or by a group that is neither ours
  // nor trusted.
  bool require_secure_dir = false;
  std::vector<gid_t> trusted_groups = {};
  bool one_shot = false;  // finish() leaves no lock file, in any layout

  [[nodiscard]] bool operator==(const PublisherOptions&) const = default;
};

// In ascending order: a later value includes the earlier ones.
enum class Change {
  unchanged,  // nothing was written
  repaired,   // same content; restored a link or file, or corrected a mode or owner; no reason to signal
  published,  // new content
};

struct Outcome {
  Change change = Change::unchanged;
  std::string generation;  // id of the live generation; empty in the other layouts
  // The directory was replaced since the last check, and all outputs in it are gone: every other set and
  // single file of this publisher must be published again. Reported once.
  bool moved = false;
  std::vector<Notice> notices;
};

class Publisher {
 public:
  // Touches no file. Errors are of kind config: an invalid name, or a duplicate.
  static Result<Publisher> create(PublisherOptions options);
  Publisher(Publisher&&) noexcept;
  Publisher& operator=(Publisher&&) noexcept;
  ~Publisher();  // closes descriptors, which releases the lock; leaves the disk as it is

  // Opens the directory, takes the lock and removes leftovers of an earlier run. If all of that is done
  // already, it only checks by one cheap stat whether the path still leads to the same directory. Error kind
  // `locked` if another helper has these names (try again later). stage() and the other calls do this
  // themselves.
  Result<void> open();

  // As open(), for a timer (every 10 s). Returns true if the directory was replaced by another one: publish
  // everything again.
  Result<bool> check();

  // Files that are ready to be published, written under names that no reader knows. Destroying it removes
  // them; it may outlive the publisher. Like all calls, it belongs to one thread at a time.
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

  // Prepares everything that readers cannot see. After an error nothing remains, and the same call may be
  // repeated at any time.
  Result<Staged> stage(FileSet files);

  // Publishes the staged files. Afterwards a directory with members contains no others: leftovers of an
  // earlier run are removed, once. If something changed here since stage(), the files are staged again if
  // necessary. After an error before the switch the previous generation is untouched; calling stage() and
  // commit() again completes the rest.
  Result<Outcome> commit(Staged staged, BootTime now = BootClock::now());

  // Removes these names, in all generations (revoke = "remove"); for a directory's "*" all its members. The
  // next publication restores them.
  Result<Outcome> withdraw(std::span<const std::string> names);

  // Superseded generations are removed 10 s after they were superseded, so that readers between readlink and
  // open find their file. next_tidy() is when tidy() has something to do next.
  void tidy(BootTime now);
  [[nodiscard]] std::optional<BootTime> next_tidy() const;

  // An orderly end: removes superseded generations and temporaries at once. The live generation stays, with
  // the lock file that states whose it is; the other layouts leave no lock file. The last call before the
  // destructor.
  void finish();

  // True if all directories are in memory (tmpfs, ramfs), where calls cannot hang on a disk. After open().
  [[nodiscard]] bool on_memory() const;

  // Notices that no Outcome has returned yet (after an error).
  std::vector<Notice> take_notices();

 private:
  struct State;
  explicit Publisher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spiffe::output
