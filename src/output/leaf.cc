#include "output/leaf.hh"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

namespace spiffe::output {

namespace {

constexpr auto kNoUser = static_cast<uid_t>(-1);
constexpr auto kNoGroup = static_cast<gid_t>(-1);

std::string ids(uid_t user, gid_t group) {
  return std::to_string(user) + ':' + std::to_string(group);
}

Leaf::Kind kind_of_link(const Place& place, const std::string& leaf, std::string_view target) {
  if (target == place.names.leaf_target(leaf)) return Leaf::Kind::our_link;
  return is_helper_link(target, leaf) ? Leaf::Kind::helper_link : Leaf::Kind::foreign_link;
}

// Returns 0 or errno.
int give(int fd, uid_t user, gid_t group) {
  if (user == kNoUser && group == kNoGroup) return 0;
  return ::fchown(fd, user, group) == 0 ? 0 : errno;
}

// Reports whether the previous owner was kept. Without CAP_CHOWN, a helper can at most set its own groups.
void report_kept_owner(const Place& place, const Item& item, int fd, int code) {
  const std::string path = place.directory.path().shown(item.leaf);
  struct stat st{};
  if (code != 0) {
    place.notices->warn("owner_lost", path,
                        "cannot keep the owner of the file before it: " + errno_text(code));
  } else if (::fstat(fd, &st) == 0) {
    place.notices->inform("owner_kept", path,
                          "keeps the owner of the file before it, " + ids(st.st_uid, st.st_gid));
  }
}

}  // namespace

Result<Leaf> look_at(const Place& place, const std::string& leaf) {
  std::array<char, PATH_MAX> target;
  const ssize_t n = ::readlinkat(place.fd(), leaf.c_str(), target.data(), target.size());
  if (n >= 0) return Leaf{kind_of_link(place, leaf, {target.data(), static_cast<std::size_t>(n)}), {}};
  if (errno == ENOENT) return Leaf{};
  if (errno != EINVAL) return place.directory.fail_at(leaf, "readlink", errno);
  Leaf found{Leaf::Kind::file, {}};
  if (::fstatat(place.fd(), leaf.c_str(), &found.st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Leaf{};
    return place.directory.fail_at(leaf, "stat", errno);
  }
  if (S_ISREG(found.st.st_mode)) return found;
  auto error = place.directory.fail_at(leaf, "replace", S_ISDIR(found.st.st_mode) ? EISDIR : EEXIST);
  if (!S_ISDIR(found.st.st_mode)) error.error().message += ", and it is not a regular file";
  return error;
}

void warn_of_replacing(const Place& place, const std::string& leaf, const Leaf& found) {
  const bool link = found.kind == Leaf::Kind::foreign_link;
  const bool shared = found.kind == Leaf::Kind::file && found.st.st_nlink > 1;
  if (!link && !shared) return;
  place.notices->warn("link_replaced", place.directory.path().shown(leaf),
                      std::string(link ? "was a symlink" : "had more than one hard link") +
                          ", and is a file of its own now; layout = \"in-place\" writes through it");
}

std::unexpected<Error> fail_to_rename(const Place& place, const std::string& leaf, int code) {
  auto error = place.directory.fail_at(leaf, "rename", code);
  struct stat st{};
  if (place.directory.sticky() && (code == EPERM || code == EACCES) &&
      ::fstatat(place.fd(), leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != ::geteuid()) {
    error.error().hint = "it belongs to user " + std::to_string(st.st_uid) +
                         ", who alone may replace it in a sticky directory: remove it, or choose a cert_dir "
                         "that only the helper can write";
  }
  return error;
}

bool may_keep_owner(const Place& place, const File& file, const struct stat& before) {
  const Directory& directory = place.directory;
  if (!is_secret(file.contents)) return !directory.others_can_write();
  if (directory.others_could_plant() || before.st_nlink != 1) return false;
  // The directory's owner can move other users' files here, but cannot create files that belong to them.
  const auto is_trusted = [&](uid_t user) { return user == 0 || user == directory.new_file_user(); };
  return is_trusted(directory.owner()) || is_trusted(before.st_uid) || before.st_uid == directory.owner();
}

bool has_good_owner(const Place& place, const File& file, const struct stat& st) {
  return !is_secret(file.contents) || file.owner.user == st.st_uid ||
         st.st_uid == place.directory.new_file_user() || may_keep_owner(place, file, st);
}

Ownership decide_owner(const Place& place, const Item& item, const struct stat* before) {
  const Owner& owner = item.file->owner;
  const uid_t user = place.directory.new_file_user();
  const gid_t group = place.directory.new_file_group();
  Ownership out;
  if (owner.user && *owner.user != user) out.configured_user = *owner.user;
  if (owner.group && *owner.group != group) out.configured_group = *owner.group;
  if (before == nullptr) return out;
  const bool other_user = !owner.user && before->st_uid != user;
  const bool other_group = !owner.group && before->st_gid != group;
  if (may_keep_owner(place, *item.file, *before)) {
    if (other_user) out.kept_user = before->st_uid;
    if (other_group) out.kept_group = before->st_gid;
  } else if (is_secret(item.file->contents) && (other_user || other_group)) {
    place.notices->warn("owner_not_kept", place.directory.path().shown(item.leaf),
                        "does not keep the owner of the file before it, " +
                            ids(before->st_uid, before->st_gid) +
                            ": others could have created that file; to share this one set owner, group, "
                            "key_owner or key_group");
  }
  return out;
}

Result<void> set_attributes(const Place& place, const Item& item, int fd, const Ownership& o) {
  // Once the mode is set the group can read, so set the group first. The user comes last: after the file is
  // given away, CAP_CHOWN alone does not allow setting the mode.
  if (const int code = give(fd, kNoUser, o.configured_group); code != 0) {
    return place.directory.fail_chown(item.leaf, code);
  }
  int lost = give(fd, kNoUser, o.kept_group);
  if (::fchmod(fd, item.file->mode) != 0) return place.directory.fail_at(item.leaf, "chmod", errno);
  if (const int code = give(fd, o.configured_user, kNoGroup); code != 0) {
    return place.directory.fail_chown(item.leaf, code);
  }
  if (const int code = give(fd, o.kept_user, kNoGroup); code != 0) lost = code;
  if (o.kept_user != kNoUser || o.kept_group != kNoGroup) report_kept_owner(place, item, fd, lost);
  return {};
}

bool has_attributes(const struct stat& st, const File& file) {
  return (st.st_mode & 07777) == file.mode && (!file.owner.user || st.st_uid == *file.owner.user) &&
         (!file.owner.group || st.st_gid == *file.owner.group);
}

}  // namespace spiffe::output
