#include "cli/files/input_file.hh"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/text.hh"
#include "cli/text/cat.hh"

namespace spiffe::cli {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::unexpected<Error> failed(const std::string& path, int code) {
  auto out = fail_errno(spoken_path(path), code);
  if (code == EACCES) out.error().hint = "ask as the user whose file it is";
  return out;
}

Fd open_quietly(const std::string& path) {
  return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

// Waits until a pipe has data, and prints a line if that takes long.
class Wait {
 public:
  Wait(const std::string& path, std::optional<std::chrono::nanoseconds> timeout) : path_(path) {
    const auto longest = timeout.value_or(std::chrono::minutes(1));
    if (longest.count() > 0) end_ = Clock::now() + std::chrono::ceil<milliseconds>(longest);
  }

  Result<void> readable(int fd) {
    for (;;) {
      const auto now = Clock::now();
      const auto next = told_ ? end_ : std::min(end_, begin_ + std::chrono::seconds(1));
      const auto left = std::chrono::ceil<milliseconds>(
          std::clamp<Clock::duration>(next - now, Clock::duration::zero(), std::chrono::hours(1)));
      pollfd waiting = {fd, POLLIN, 0};
      const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR) return failed(path_, errno);
      if (Clock::now() >= end_) {
        return fail(ErrorKind::timed_out, spoken_path(path_) + ": it did not end in time",
                    "the command that writes to it still runs; -timeout waits longer");
      }
      if (ready == 0 && !told_) {
        std::fputs(cat({"waiting for ", spoken_path(path_), "\n"}).c_str(), stderr);
        told_ = true;
      }
    }
  }

 private:
  const std::string& path_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point end_ = Clock::time_point::max();
  bool told_ = false;
};

// Reads to the end. With `wait`, waits while there is no data; `first`: before each read, for a descriptor
// that may block.
Result<SecretBytes> read_all(int fd, const std::string& path, std::size_t most, Wait* wait, bool first) {
  SecretBytes out;
  std::vector<std::byte, CleansingAllocator<std::byte>> buffer(64UL * 1024);
  bool waits = first;
  for (;;) {
    if (waits) {
      if (auto ready = wait->readable(fd); !ready) return fail(ready.error());
    }
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    const bool nothing = n < 0 && errno == EAGAIN && wait != nullptr;
    waits = first || nothing;
    if (nothing || (n < 0 && errno == EINTR)) continue;
    if (n < 0) return failed(path, errno);
    if (n == 0) return out;
    out.append(std::span(buffer).first(static_cast<std::size_t>(n)));
    if (out.size() > most) return failed(path, EFBIG);
  }
}

}  // namespace

Result<SecretBytes> read_input(const std::string& path, std::size_t most) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return failed(path, errno);
  if (S_ISDIR(info.st_mode)) return failed(path, EISDIR);
  if (!S_ISREG(info.st_mode)) return fail(spoken_path(path) + ": not a regular file");
  const Fd fd = open_quietly(path);
  if (!fd) return failed(path, errno);
  if (info.st_size > static_cast<off_t>(most)) return failed(path, EFBIG);
  return read_all(fd.get(), path, most, nullptr, false);
}

Result<SecretBytes> read_named(const std::string& path, std::optional<std::chrono::nanoseconds> timeout) {
  const bool standard = is_standard_input(path);
  struct stat info{};
  const bool pipe = !standard && ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
  if (!standard && !pipe) return read_input(path);
  const Fd opened = pipe ? open_quietly(path) : Fd();
  if (pipe && !opened) return failed(path, errno);
  const int fd = pipe ? opened.get() : STDIN_FILENO;
  if (::isatty(fd) == 1) std::fputs("paste it, then end with ^D\n", stderr);
  Wait wait(path, timeout);
  // Without a writer, a FIFO is at its end, but poll() would wait for one.
  auto content = read_all(fd, path, kMaxInput, &wait, standard);
  if (!content || !content->empty()) return content;
  return fail(ErrorKind::failed, spoken_path(path) + ": nothing was written to it",
              "has the command that is to write to it failed?");
}

std::string spoken_path(const std::string& path) {
  return is_standard_input(path) ? "standard input" : escape(path);
}

}  // namespace spiffe::cli
