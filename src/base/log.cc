#include "base/log.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/text.hh"

namespace spiffe::log {

namespace {

constexpr std::string_view kSystem = "spiffe-helper";
constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warning", "error", "fatal"};
constexpr std::array<std::string_view, 5> kColours = {"\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[31m",
                                                      "\x1b[1;31m"};
constexpr std::array<std::string_view, 3> kFormats = {"auto", "text", "json"};

struct Settings {
  std::atomic<Level> level = Level::info;
  std::atomic<Format> format = Format::text;
  std::atomic<bool> colour = false;
  int given = -1;  // as passed to configure()
  int fd = 2;      // `given` or `own`
  Fd own;
  bool socket = false;
};
Settings settings;
std::atomic<unsigned> dropped = 0;  // lines lost to a stuck reader and not reported yet

// The lines kept by this thread's Batch.
thread_local std::vector<std::string> kept;
thread_local bool keeping = false;

// How long a full pipe may delay a rotation. While lines are being dropped, there is no wait at all.
constexpr std::chrono::milliseconds kPatience{50};

std::string_view name(Level level) {
  return kLevels[static_cast<std::size_t>(level)];
}

// logrus does not quote a value made only of these characters.
bool bare(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("-._/@^+").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string text_value(std::string_view value) {
  return bare(value) ? std::string(value) : quote(value);
}

std::string json_string(std::string_view value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < value.size();) {
    const auto c = static_cast<unsigned char>(value[i]);
    const std::size_t n = utf8_length(value.substr(i));
    if (n == 0) {
      out += "\\ufffd";
    } else if (c < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out.append(value.substr(i, n));
    }
    i += std::max<std::size_t>(n, 1);
  }
  return out + '"';
}

Fields sorted(const Fields& fields) {
  Fields all = fields;
  all.push_back({"system", std::string(kSystem)});
  std::ranges::stable_sort(all, {}, &Field::key);
  return all;
}

std::string text_line(std::string_view time, Level level, std::string_view message, const Fields& fields) {
  std::string out =
      "time=" + quote(time) + " level=" + std::string(name(level)) + " msg=" + text_value(message);
  for (const auto& [key, value] : sorted(fields))
    out.append(" ").append(key).append("=").append(text_value(value));
  return out;
}

std::string json_line(std::string_view time, Level level, std::string_view message, const Fields& fields) {
  std::string out = "{\"time\":" + json_string(time) + ",\"level\":" + json_string(name(level)) +
                    ",\"msg\":" + json_string(message);
  for (const auto& [key, value] : sorted(fields)) {
    out.append(",").append(json_string(key)).append(":").append(json_string(value));
  }
  return out + '}';
}

std::string console_line(bool colour, std::string_view time, Level level, std::string_view message,
                         const Fields& fields) {
  // "15:04:05 warning message  key=value": on a terminal the date is not needed.
  std::string out(time.size() >= 19 ? time.substr(11, 8) : time);
  const std::string padded = std::string(name(level)) + std::string(8 - name(level).size(), ' ');
  out += ' ';
  if (colour) {
    out.append(kColours[static_cast<std::size_t>(level)]).append(padded).append("\x1b[0m");
  } else {
    out += padded;
  }
  out += escape(message);
  for (const auto& [key, value] : fields) {
    out += ' ';
    if (colour) out += "\x1b[2m";
    out.append(" ").append(key).append("=");
    if (colour) out += "\x1b[0m";
    out += text_value(value);
  }
  return out;
}

// Opens the pipe `fd` again. The child writes to the same pipe and may fill it between our poll and our
// write, so our write must not block. The child's own writes must block, and O_NONBLOCK applies to everything
// that shares an open file description.
Fd open_again(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) return {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

void write_to(int fd) {
  struct stat info{};
  settings.given = fd;
  settings.own = open_again(fd);
  settings.fd = settings.own ? settings.own.get() : fd;
  settings.socket = ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

ssize_t write_some(std::string_view bytes) {
  if (settings.socket) return ::send(settings.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return ::write(settings.fd, bytes.data(), bytes.size());
}

// Writes a whole line. Returns false if the reader of the pipe is stuck: a log must not stop a rotation. A
// pipe that polls as writable takes PIPE_BUF bytes without blocking, unless another process writes first.
bool write_all(std::string_view line) {
  const BootTime end = BootClock::now() + (dropped > 0 ? kPatience * 0 : kPatience);
  while (!line.empty()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - BootClock::now());
    pollfd ready{.fd = settings.fd, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, static_cast<int>(std::max(left.count(), 0L))) == 0) return false;
    const ssize_t n = write_some(line.substr(0, PIPE_BUF));
    if (n < 0 && errno == EAGAIN && left.count() <= 0) return false;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return true;  // closed: there is no reader
    line.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string line_of(Level level, std::string_view message, const Fields& fields) {
  return format_line(settings.format, settings.colour, rfc3339(wall_now()), level, message, fields) + '\n';
}

// Writes `text`, which has `lines` lines, preceded by a report of lines that were dropped.
void put(std::string_view text, unsigned lines) {
  if (const unsigned lost = dropped; lost > 0) {
    if (!write_all(line_of(Level::warning, "Log lines were dropped: nobody read them",
                           {{"event", "log_dropped"}, {"lines", std::to_string(lost)}}))) {
      dropped += lines;
      return;
    }
    dropped -= lost;
  }
  if (!write_all(text)) dropped += lines;
}

}  // namespace

void configure(Level level, Format format, int fd) {
  const bool terminal = ::isatty(fd) == 1;
  const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): before any thread
  settings.level = level;
  settings.format = format != Format::automatic ? format : terminal ? Format::console : Format::text;
  settings.colour = terminal && (no_color == nullptr || *no_color == '\0');
  if (fd != settings.given) write_to(fd);
}

void set_level(Level level) {
  settings.level = level;
}

bool enabled(Level level) {
  return level >= settings.level;
}

std::string format_line(Format format, bool colour, std::string_view time, Level level,
                        std::string_view message, const Fields& fields) {
  switch (format) {
    case Format::json:
      return json_line(time, level, message, fields);
    case Format::console:
      return console_line(colour, time, level, message, fields);
    case Format::automatic:
    case Format::text:
      break;
  }
  return text_line(time, level, message, fields);
}

void write(Level level, std::string_view message, const Fields& fields) {
  if (!enabled(level)) return;
  std::string line = line_of(level, message, fields);
  if (keeping) {
    kept.push_back(std::move(line));
  } else {
    put(line, 1);
  }
}

Batch::Batch() : outermost_(!std::exchange(keeping, true)) {}

Batch::~Batch() {
  if (!outermost_) return;
  keeping = false;
  std::string text;
  unsigned lines = 0;
  for (const std::string& line : std::exchange(kept, {})) {
    if (lines > 0 && text.size() + line.size() > PIPE_BUF) {
      put(text, std::exchange(lines, 0));
      text.clear();
    }
    text += line;
    ++lines;
  }
  if (lines > 0) put(text, lines);
}

Result<Level> parse_level(std::string_view text) {
  // Levels of logrus that we do not have mean the nearest threshold.
  constexpr std::array<std::pair<std::string_view, Level>, 8> kWords = {{{"trace", Level::debug},
                                                                         {"debug", Level::debug},
                                                                         {"info", Level::info},
                                                                         {"warn", Level::warning},
                                                                         {"warning", Level::warning},
                                                                         {"error", Level::error},
                                                                         {"fatal", Level::error},
                                                                         {"panic", Level::error}}};
  const std::string wanted = lower(text);
  for (const auto& [word, level] : kWords) {
    if (wanted == word) return level;
  }
  return fail(ErrorKind::config, "expected debug, info, warning or error, found " + quote(text));
}

Result<Format> parse_format(std::string_view text) {
  const std::string wanted = lower(text);
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (wanted == kFormats[i]) return static_cast<Format>(i);
  }
  return fail(ErrorKind::config, "expected text, json or auto, found " + quote(text));
}

}  // namespace spiffe::log
