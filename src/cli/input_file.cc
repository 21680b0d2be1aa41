#include "cli/input_file.hh"

#include <cerrno>
#include <span>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.hh"
#include "base/text.hh"

namespace spiffe::cli {

Result<SecretBytes> read_input(const std::string& path, std::size_t most) {
  const auto failed = [&path](int code) {
    auto out = fail_errno(escape(path), code);
    if (code == EACCES) out.error().hint = "ask as the user whose file it is";
    return out;
  };
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return failed(errno);
  if (S_ISDIR(info.st_mode)) return failed(EISDIR);
  if (!S_ISREG(info.st_mode)) return fail(escape(path) + ": not a regular file");
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return failed(errno);
  if (info.st_size > static_cast<off_t>(most)) return failed(EFBIG);
  SecretBytes out;
  out.reserve(static_cast<std::size_t>(info.st_size));
  std::vector<std::byte, CleansingAllocator<std::byte>> buffer(64UL * 1024);
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    if (n == 0) return out;
    out.append(std::span(buffer).first(static_cast<std::size_t>(n)));
    if (out.size() > most) return failed(EFBIG);
  }
}

}  // namespace spiffe::cli
