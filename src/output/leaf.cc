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

// Gives what can be had of the owner to be kept; a helper without CAP_CHOWN can at most pass on its own
// groups.
void keep_owner(const Place& place, const Item& item, int fd, const Ownership& o) {
  if (o.kept_user == kNoUser && o.kept_group == kNoGroup) return;
  const std::string path = place.directory.path().shown(item.leaf);
  if (::fchown(fd, o.kept_user, o.kept_group) == 0) {
    struct stat st{};
    if (::fstat(fd, &st) == 0) {
      place.notices->inform("owner_kept", path,
                            "keeps the owner of the file before it, " + ids(st.st_uid, st.st_gid));
    }
    return;
  }
  const int code = errno;
  if (o.kept_group != kNoGroup && ::fchown(fd, kNoUser, o.kept_group) == 0 && o.kept_user == kNoUser) return;
  place.notices->warn("owner_lost", path, "cannot keep the owner of the file before it: " + errno_text(code));
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

Ownership decide_owner(const Place& place, const Item& item, const struct stat* before) {
  const Owner& owner = item.file->owner;
  const uid_t user = place.directory.new_file_user();
  const gid_t group = place.directory.new_file_group();
  Ownership out;
  if (owner.user && *owner.user != user) out.configured_user = *owner.user;
  if (owner.group && *owner.group != group) out.configured_group = *owner.group;
  if (before == nullptr || place.directory.others_can_write()) return out;
  if (!owner.user && before->st_uid != user) out.kept_user = before->st_uid;
  if (!owner.group && before->st_gid != group) out.kept_group = before->st_gid;
  return out;
}

Result<void> apply_owner(const Place& place, const Item& item, int fd, const Ownership& ownership) {
  if ((ownership.configured_user != kNoUser || ownership.configured_group != kNoGroup) &&
      ::fchown(fd, ownership.configured_user, ownership.configured_group) != 0) {
    return fail_errno("chown", errno);
  }
  keep_owner(place, item, fd, ownership);
  return {};
}

bool has_attributes(const struct stat& st, const File& file) {
  return (st.st_mode & 07777) == file.mode && (!file.owner.user || st.st_uid == *file.owner.user) &&
         (!file.owner.group || st.st_gid == *file.owner.group);
}

}  // namespace spiffe::output
