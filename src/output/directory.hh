// An open directory with outputs. Every later call is relative to its descriptor, so a publication stays
// within one directory even if the path changes.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe::output {

// The path of a directory: `sub` ("" is the root itself) below `root` ("" is the working directory).
struct DirectoryPath {
  std::string root;
  std::string sub;
  [[nodiscard]] std::string shown() const;                       // for messages: "certs/sub", "."
  [[nodiscard]] std::string shown(std::string_view leaf) const;  // "certs/sub/svid.pem"
};

// Movable; owns its descriptors.
class Directory {
 public:
  // Symlinks are followed in `root` and refused in `sub`. With `create`, missing directories are created with
  // mode 0755.
  static Result<Directory> open(DirectoryPath path, bool create);

  // Checks the path again and refreshes the results of the predicates below. Returns false if the path now
  // leads to another directory, an error if it leads nowhere.
  Result<bool> still_there();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const DirectoryPath& path() const { return path_; }
  [[nodiscard]] bool on_memory() const { return on_memory_; }  // fsync would have no effect
  [[nodiscard]] bool others_can_write() const { return (stat_.st_mode & S_IWOTH) != 0; }
  [[nodiscard]] bool group_can_write() const { return (stat_.st_mode & S_IWGRP) != 0; }
  [[nodiscard]] bool sticky() const { return (stat_.st_mode & S_ISVTX) != 0; }
  // Whether another user could have created a file here in order to receive what is published. True if the
  // group or others can write (a sticky bit does not help, since the creator of a file owns it), or could
  // have created the directory itself below cert_dir. This includes access lists, whose mask is the group's
  // mode.
  [[nodiscard]] bool others_could_plant() const { return others_could_plant_; }
  [[nodiscard]] const struct stat& status() const { return stat_; }
  [[nodiscard]] uid_t owner() const { return stat_.st_uid; }
  [[nodiscard]] gid_t group() const { return stat_.st_gid; }
  // The user and group that the kernel gives to a file created here (by the process's IDs when the directory
  // was opened).
  [[nodiscard]] uid_t new_file_user() const { return user_; }
  [[nodiscard]] gid_t new_file_group() const;

  // As cannot_write() for the leaf, or for the directory itself if `leaf` is "".
  [[nodiscard]] std::unexpected<Error> fail_at(std::string_view leaf, std::string_view call, int code) const;

  // The same for an owner or group that cannot be set.
  [[nodiscard]] std::unexpected<Error> fail_chown(std::string_view leaf, int code) const;

  // fsync, except on a memory file system.
  Result<void> sync() const;

 private:
  [[nodiscard]] bool is_planted() const;

  DirectoryPath path_;
  Fd root_;  // only if path_.sub is not empty
  Fd fd_;
  struct stat stat_{};
  bool others_could_plant_ = false;
  bool on_memory_ = false;
  uid_t user_ = 0;
  gid_t group_ = 0;
};

// Who, besides the directory's owner and trusted groups, can replace files in it.
enum class Writers {
  trusted,  // no one else, according to the mode
  group,
  others,
};
// For a directory with this mode and group. The helper's primary group `own` and the `groups` are trusted.
[[nodiscard]] Writers writers_of(const struct stat& st, gid_t own, std::span<const gid_t> groups);

// Opens the directory `sub` below `root` without following a symlink or leaving `root`. The error's `sys` is
// errno; its message contains only the name of the call. Without openat2(2) (old kernels, sandboxes), it
// opens component by component.
Result<Fd> open_beneath(int root, const std::string& sub, bool create);
Result<Fd> open_by_components(int root, const std::string& sub, bool create);

// mkdirat and open. The mode is 0755 for any umask. An inherited set-group-ID bit stays, so that files get
// the same group as in the parent. The error's `sys` is EEXIST if the name is taken; its message contains
// only the name of the call. In a directory that others can write, another user may have replaced the new
// directory before it was opened.
Result<Fd> make_directory(int parent, const std::string& name);

// Calls back with the name of every entry except "." and "..", in no particular order. An error's message
// contains only the name of the call.
Result<void> for_each_entry(int directory, const std::function<void(std::string_view)>& callback);

}  // namespace spiffe::output
