#include "output/password_file.hh"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/text.hh"

namespace spiffe::output {

namespace {

constexpr std::size_t kMost = 1024;

std::string_view without_line_break(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool is_one_line(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0 || first < 0x20 || first == 0x7f) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Reads at most one byte more than allowed.
Result<SecretBytes> read_some(int fd, const std::string& what) {
  SecretBytes out;
  out.reserve(kMost + 1);
  std::vector<std::byte, CleansingAllocator<std::byte>> buffer(kMost + 1);
  while (out.size() <= kMost) {
    const ssize_t n = ::read(fd, buffer.data(), kMost + 1 - out.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(what, errno);
    if (n == 0) break;
    out.append(std::span(buffer).first(static_cast<std::size_t>(n)));
  }
  return out;
}

}  // namespace

Result<SecretBytes> read_password_file(const std::string& path) {
  const std::string what = "cannot read the password in " + quote(path);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(what, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(what, errno);
  if (S_ISDIR(info.st_mode)) return fail_errno(what, EISDIR);
  auto content = read_some(fd.get(), what);
  if (!content) return content;
  const std::string_view password = without_line_break(content->text());
  const auto refuse = [&what](const char* why) {
    return fail(ErrorKind::io, what + ": " + why, "it takes the password as the file's one line");
  };
  if (password.empty()) return refuse("it is empty");
  if (content->size() > kMost) return refuse("it is longer than 1024 bytes");
  if (!is_one_line(password)) return refuse("it is not one line of UTF-8 text");
  return SecretBytes(password);
}

}  // namespace spiffe::output
