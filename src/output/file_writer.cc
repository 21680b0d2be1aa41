#include "output/file_writer.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace spiffe::output {

namespace {

Result<void> fill(const Place& place, int fd, const Item& item, const Ownership& ownership) {
  // Owner and mode come before the content, so that the key is never readable without permission.
  if (auto set = set_attributes(place, item, fd, ownership); !set) return set;
  if (const int code = write_all(fd, item.file->content.bytes()); code != 0) {
    return place.directory.fail_at(item.leaf, "write", code);
  }
  return {};
}

}  // namespace

Result<Fd> create_file(const Place& place, int directory, const std::string& name, const Item& item,
                       const Ownership& ownership) {
  Fd fd(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return place.directory.fail_at(item.leaf, "create", errno);
  if (auto filled = fill(place, fd.get(), item, ownership); !filled) {
    ::unlinkat(directory, name.c_str(), 0);
    return fail(filled.error());
  }
  return fd;
}

Result<void> sync_file(const Place& place, const Item& item, int fd) {
  if (place.directory.on_memory() || ::fsync(fd) == 0) return {};
  return place.directory.fail_at(item.leaf, "fsync", errno);
}

int write_all(int fd, std::span<const std::byte> content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

int change_mode(int fd, mode_t mode) {
  // fchmod(2) refuses O_PATH, and fchmodat2(2) is newer than the kernels that we support.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return ::chmod(path.c_str(), mode) == 0 ? 0 : errno;
}

bool holds(int fd, std::span<const std::byte> content) {
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return false;
  if (static_cast<std::size_t>(st.st_size) != content.size()) return false;
  std::array<std::byte, 16384> buffer;
  bool equal = true;
  while (equal && !content.empty()) {
    const ssize_t n = ::read(fd, buffer.data(), std::min(buffer.size(), content.size()));
    if (n < 0 && errno == EINTR) continue;
    equal = n > 0 && std::memcmp(buffer.data(), content.data(), static_cast<std::size_t>(n)) == 0;
    if (equal) content = content.subspan(static_cast<std::size_t>(n));
  }
  cleanse(buffer.data(), buffer.size());
  return equal;
}

bool holds(int directory, const std::string& name, std::span<const std::byte> content) {
  // O_NONBLOCK: a FIFO in its place must not block us.
  const Fd fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return fd && holds(fd.get(), content);
}

}  // namespace spiffe::output
