// A directory that holds outputs, kept open: every later call is relative to its descriptor, so whatever
// happens to the path, a publication stays within one directory.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe::output {

// Where a directory is found: `sub` ("" = the root itself) below `root` ("" = the working directory).
struct DirectoryPath {
  std::string root;
  std::string sub;
  [[nodiscard]] std::string shown() const;                       // for people: "certs/sub", "."
  [[nodiscard]] std::string shown(std::string_view leaf) const;  // "certs/sub/svid.pem"
};

// Values; the descriptors are owned.
class Directory {
 public:
  // Symlinks are followed in `root` and refused in `sub`. `create`: missing ones are made with mode 0755.
  static Result<Directory> open(DirectoryPath path, bool create);

  // Looks at the path again and refreshes what the predicates below answer. False: it leads to another
  // directory now. An error where it leads nowhere.
  Result<bool> still_there();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const DirectoryPath& path() const { return path_; }
  [[nodiscard]] bool on_memory() const { return on_memory_; }  // fsync would do nothing
  [[nodiscard]] bool others_can_write() const { return (stat_.st_mode & S_IWOTH) != 0; }
  [[nodiscard]] bool group_can_write() const { return (stat_.st_mode & S_IWGRP) != 0; }
  [[nodiscard]] bool sticky() const { return (stat_.st_mode & S_ISVTX) != 0; }
  // Whether a file found here may be one that somebody else created to be given what is published: the group
  // or others can write (a sticky bit does not help, whoever creates a file owns it), or could have created
  // the directory itself below cert_dir. Access lists count, their mask is the group's mode.
  [[nodiscard]] bool others_could_plant() const { return others_could_plant_; }
  [[nodiscard]] const struct stat& status() const { return stat_; }
  [[nodiscard]] uid_t owner() const { return stat_.st_uid; }
  [[nodiscard]] gid_t group() const { return stat_.st_gid; }
  // The user and the group that the kernel gives to a file made here (by whom we were when it was opened).
  [[nodiscard]] uid_t new_file_user() const { return user_; }
  [[nodiscard]] gid_t new_file_group() const;

  // As cannot_write() of the leaf, or of the directory itself where it is "".
  [[nodiscard]] std::unexpected<Error> fail_at(std::string_view leaf, std::string_view call, int code) const;

  // The same where the owner or group cannot be set.
  [[nodiscard]] std::unexpected<Error> fail_chown(std::string_view leaf, int code) const;

  // fsync, but on memory.
  Result<void> sync() const;

 private:
  [[nodiscard]] bool is_planted() const;

  DirectoryPath path_;
  Fd root_;  // only where path_.sub is not empty
  Fd fd_;
  struct stat stat_{};
  bool others_could_plant_ = false;
  bool on_memory_ = false;
  uid_t user_ = 0;
  gid_t group_ = 0;
};

// Who but its owner and trusted groups can replace what is in a directory.
enum class Writers {
  trusted,  // nobody, as far as the mode says
  group,
  others,
};
// Of a directory with this mode and group. `groups` are trusted beside `own`, the helper's primary one.
[[nodiscard]] Writers writers_of(const struct stat& st, gid_t own, std::span<const gid_t> groups);

// Opens the directory `sub` below `root` without following a symlink or leaving it. The error's `sys` is
// errno; its message holds the call only. Kernels and sandboxes without openat2(2) are served component by
// component.
Result<Fd> open_beneath(int root, const std::string& sub, bool create);
Result<Fd> open_by_components(int root, const std::string& sub, bool create);

// mkdirat and open. Its mode is 0755 whatever the umask; a set-group-ID bit that it inherits stays, so that
// files in it get the group that they would get in its parent. sys is EEXIST where the name is taken, and the
// message holds the call only.
// In a directory that others can write somebody may have put another one there before it was opened.
Result<Fd> make_directory(int parent, const std::string& name);

// Calls back with the name of every entry but "." and "..", in no order. An error's message holds the call
// only.
Result<void> for_each_entry(int directory, const std::function<void(std::string_view)>& callback);

}  // namespace spiffe::output
