#include "output/in_place_file.hh"

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "output/file_writer.hh"
#include "output/leaf.hh"

namespace spiffe::output {

namespace {

constexpr int kLook = O_PATH | O_NOFOLLOW | O_CLOEXEC;
// O_NONBLOCK: a FIFO without a reader is an error, not a wait.
constexpr int kWrite = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr int kMaxLinks = 40;  // as in the kernel
// Failing this often requires that the file changes between two system calls each time.
constexpr int kOpenAttempts = 16;

std::string user(uid_t id) {
  return "user " + std::to_string(id);
}

bool is_trusted(const Place& place, uid_t id) {
  return id == 0 || id == place.directory.new_file_user();
}

Result<std::string> target_of(const Place& place, const Item& item, int link) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t n = ::readlinkat(link, "", buffer.data(), buffer.size());
  if (n < 0) return place.directory.fail_at(item.leaf, "readlink", errno);
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

void refuse(InPlaceFile& found, std::string why, uid_t owner) {
  found.refusal = std::move(why);
  found.refused_user = owner;
  found.at_leaf = !found.through_link;
}

// Walks from `found.directory` along `path` to the file, following trusted links. Afterwards found.file is
// the file at the end; none if a link was refused or there is no file.
Result<void> walk(const Place& place, const Item& item, std::string path, InPlaceFile& found) {
  const auto fail_at = [&](int code) { return place.directory.fail_at(item.leaf, "open", code); };
  for (int links = 0; links <= kMaxLinks;) {
    if (path.starts_with('/')) {
      found.held = Fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!found.held) return fail_at(errno);
      found.directory = found.held.get();
      path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
    }
    const std::size_t slash = path.find('/');
    found.name = path.substr(0, slash);
    const bool last = slash == std::string::npos;
    std::string rest =
        last ? std::string() : path.substr(std::min(path.find_first_not_of('/', slash), path.size()));
    if (found.name.empty()) return fail_at(EISDIR);
    Fd next(::openat(found.directory, found.name.c_str(), kLook));
    if (!next && (errno != ENOENT || !last)) return fail_at(errno);
    if (!next) return {};
    if (::fstat(next.get(), &found.st) != 0) return fail_at(errno);
    if (S_ISLNK(found.st.st_mode)) {
      if (!is_trusted(place, found.st.st_uid)) {
        refuse(found, "it is a symlink of " + user(found.st.st_uid), found.st.st_uid);
        return {};
      }
      auto target = target_of(place, item, next.get());
      if (!target) return fail(target.error());
      path = last ? *target : *target + '/' + rest;
      found.through_link = true;
      ++links;
      continue;
    }
    if (last) {
      found.file = std::move(next);
      return {};
    }
    found.held = std::move(next);
    found.directory = found.held.get();
    path = std::move(rest);
  }
  return fail_at(ELOOP);
}

// Decides whether the file of found.st may be written.
void judge(const Place& place, const File& file, InPlaceFile& found) {
  const struct stat& st = found.st;
  const bool could_be_planted = !found.through_link && place.directory.others_could_plant();
  if (st.st_nlink > 1 && (is_secret(file.contents) || could_be_planted)) {
    return refuse(found, "it has more than one hard link", st.st_uid);
  }
  if (!is_secret(file.contents) || is_trusted(place, st.st_uid) || file.owner.user == st.st_uid) return;
  if (!found.through_link && may_keep_owner(place, file, st)) return;
  refuse(found, (found.through_link ? "its symlink leads to a file of " : "it belongs to ") + user(st.st_uid),
         st.st_uid);
}

// Opens the examined file for writing. No descriptor if it has been replaced meanwhile.
Result<Fd> open_found(const Place& place, const Item& item, InPlaceFile& found) {
  Fd fd(::openat(found.directory, found.name.c_str(), kWrite));
  // A mode like 0444 prevents even the owner from writing.
  if (!fd && errno == EACCES && found.st.st_uid == ::geteuid() &&
      change_mode(found.file.get(), (found.st.st_mode & 0777) | S_IWUSR) == 0) {
    fd = Fd(::openat(found.directory, found.name.c_str(), kWrite));
  }
  if (!fd && (errno == ENOENT || errno == ELOOP)) return Fd();
  if (!fd) return place.directory.fail_at(item.leaf, "open", errno);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) return place.directory.fail_at(item.leaf, "stat", errno);
  if (st.st_dev != found.st.st_dev || st.st_ino != found.st.st_ino) return Fd();
  found.st = st;
  return fd;
}

// Corrects owner and mode of a file that existed before. Returns whether it changed them.
Result<bool> put_right(const Place& place, const Item& item, int fd, const struct stat& st) {
  const File& file = *item.file;
  if (has_attributes(st, file)) return false;
  if ((file.owner.user && *file.owner.user != st.st_uid) ||
      (file.owner.group && *file.owner.group != st.st_gid)) {
    if (::fchown(fd, file.owner.user.value_or(static_cast<uid_t>(-1)),
                 file.owner.group.value_or(static_cast<gid_t>(-1))) != 0) {
      return place.directory.fail_chown(item.leaf, errno);
    }
  }
  if ((st.st_mode & 07777) == file.mode || ::fchmod(fd, file.mode) == 0) return true;
  const int code = errno;
  const bool too_open = (st.st_mode & 0777 & ~file.mode) != 0;
  if (code != EPERM || (is_secret(file.contents) && too_open))
    return place.directory.fail_at(item.leaf, "chmod", code);
  place.notices->warn("mode_kept", place.directory.path().shown(item.leaf),
                      "keeps its mode: it belongs to somebody else");
  return false;
}

Result<void> write_content(const Place& place, const Item& item, int fd) {
  if (::ftruncate(fd, 0) != 0) return place.directory.fail_at(item.leaf, "truncate", errno);
  if (const int code = write_all(fd, item.file->content.bytes()); code != 0) {
    return place.directory.fail_at(item.leaf, "write", code);
  }
  // The file may be on another file system than its directory, so sync even if the directory is in memory.
  if (::fsync(fd) != 0 && errno != EINVAL) return place.directory.fail_at(item.leaf, "fsync", errno);
  return {};
}

Result<InPlaceFile> find_mounted(const Place& place, const Item& item) {
  Fd file(::openat(place.fd(), item.leaf.c_str(), kLook));
  const int code = errno;
  if (!file && code != ENOENT) return place.directory.fail_at(item.leaf, "open", code);
  InPlaceFile found;
  found.directory = place.fd();
  found.name = item.leaf;
  if (!file) return found;
  found.file = std::move(file);
  if (::fstat(found.file.get(), &found.st) != 0) return place.directory.fail_at(item.leaf, "stat", errno);
  return found;
}

std::unexpected<Error> fail_refused(const Place& place, const Item& item, const InPlaceFile& found) {
  return fail(ErrorKind::failed, "cannot write " + place.directory.path().shown(item.leaf) + ": " +
                                     found.refusal + ", and is not written through");
}

}  // namespace

Result<InPlaceFile> find_in_place(const Place& place, const Item& item) {
  InPlaceFile found;
  found.directory = place.fd();
  if (auto walked = walk(place, item, item.leaf, found); !walked) return fail(walked.error());
  if (!found.file) return found;
  if (!S_ISREG(found.st.st_mode)) return place.directory.fail_at(item.leaf, "write in place", EEXIST);
  judge(place, *item.file, found);
  return found;
}

Result<bool> write_in_place(const Place& place, const Item& item, bool mounted, bool content) {
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto found = mounted ? find_mounted(place, item) : find_in_place(place, item);
    if (!found) return fail(found.error());
    if (!found->refusal.empty()) return fail_refused(place, item, *found);
    const bool created = !found->file;
    Fd fd;
    if (created) {
      fd = Fd(::openat(found->directory, found->name.c_str(), kWrite | O_CREAT | O_EXCL, 0600));
      if (!fd && errno == EEXIST) continue;
      if (!fd) return place.directory.fail_at(item.leaf, "create", errno);
      auto set = set_attributes(place, item, fd.get(), decide_owner(place, item, nullptr));
      if (!set) return fail(set.error());
      if (::fstat(fd.get(), &found->st) != 0) return place.directory.fail_at(item.leaf, "stat", errno);
    } else {
      auto opened = open_found(place, item, *found);
      if (!opened) return fail(opened.error());
      if (!*opened) continue;
      fd = std::move(*opened);
      if (!S_ISREG(found->st.st_mode)) return place.directory.fail_at(item.leaf, "write in place", EEXIST);
      if (!mounted) judge(place, *item.file, *found);
      if (!found->refusal.empty()) return fail_refused(place, item, *found);
    }
    auto changed = put_right(place, item, fd.get(), found->st);
    if (!changed || !(content || created)) return changed;
    if (auto written = write_content(place, item, fd.get()); !written) return fail(written.error());
    return true;
  }
  return place.directory.fail_at(item.leaf, "open", EAGAIN);
}

Result<bool> empty_in_place(const Place& place, const Item& item) {
  auto found = find_in_place(place, item);
  if (!found) return fail(found.error());
  if (!found->refusal.empty()) return fail_refused(place, item, *found);
  if (!found->file) return false;
  auto fd = open_found(place, item, *found);
  if (!fd) return fail(fd.error());
  if (!*fd) return place.directory.fail_at(item.leaf, "open", EAGAIN);
  judge(place, *item.file, *found);
  if (!found->refusal.empty()) return fail_refused(place, item, *found);
  if (::ftruncate(fd->get(), 0) != 0) return place.directory.fail_at(item.leaf, "truncate", errno);
  return found->st.st_size > 0;
}

}  // namespace spiffe::output
