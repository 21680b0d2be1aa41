// Puts file sets on disk so that whoever opens a file gets a whole one, and whoever follows one snapshot gets
// a key that belongs to its certificate: at every instant, through crashes, full disks and restarts.
//
// Synchronous, knows no threads and does not log: what people should hear comes back as notices. One
// Publisher owns the names it was created with in one cert_dir; a lock file keeps other processes off them.
// It may be used from any one thread at a time.
#pragma once

#include <functional>
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

namespace spiffe::output {

enum class Layout {
  snapshot,  // leaf symlinks -> ..data -> ..gen.<id>/: a whole set changes in one rename
  files,     // plain files, each replaced by rename: bundle, key, certificate
  in_place,  // plain files, truncated and written, symlinks followed: torn reads included
};

struct PublisherOptions {
  std::string cert_dir = {};  // "" = working directory; a symlink is followed
  Layout layout = Layout::snapshot;
  std::vector<std::string> names;  // all outputs, of sets and single ones: what the lock is about
  bool create_cert_dir = false;    // make it, its parents and the directories of outputs where missing (0755)
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
  // `locked`: another helper has these names (try again later). publish() and the like call it themselves.
  Result<void> open();

  // What open() does, for a timer (every 10 s). True: the directory was replaced by another one, publish
  // everything again.
  Result<bool> check();

  // Makes `set` what is on disk. On an error the previous generation is untouched, what was begun is removed,
  // and the same call may be made again at any time. `approve` is asked once, after all that can be prepared
  // out of sight and before anything changes: it may take its time while files are being written. False: an
  // error of kind `verification`.
  Result<Outcome> publish(const FileSet& set, BootTime now = BootClock::now(),
                          const std::function<bool()>& approve = nullptr);

  // A file that stands alone (a token, a JWKS): replaced by rename, in place in that layout. `approve` as
  // above, but only asked where something is to be changed.
  Result<Outcome> publish_single(const File& file, const std::function<bool()>& approve = nullptr);

  // Removes these names, in all generations (revoke = "remove"). They come back with the next publication.
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
