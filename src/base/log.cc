#include "base/log.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include <unistd.h>

#include "base/clock.hh"
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
  Format format = Format::text;
  bool colour = false;
  int fd = 2;
};
Settings settings;

std::string_view name(Level level) {
  return kLevels[static_cast<std::size_t>(level)];
}

// logrus leaves a value bare where it holds nothing but these.
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
  // "15:04:05 warning message  key=value": the date is on the wall.
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

}  // namespace

void configure(Level level, Format format, int fd) {
  const bool terminal = ::isatty(fd) == 1;
  const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): before any thread
  settings.level = level;
  settings.format = format != Format::automatic ? format : terminal ? Format::console : Format::text;
  settings.colour = terminal && (no_color == nullptr || *no_color == '\0');
  settings.fd = fd;
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
  std::string line =
      format_line(settings.format, settings.colour, rfc3339(wall_now()), level, message, fields) + '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(settings.fd, rest.data(), rest.size());
    if (n <= 0) return;  // a log that cannot be written must not stop a rotation
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

Result<Level> parse_level(std::string_view text) {
  const std::string wanted = lower(text);
  if (wanted == "warn") return Level::warning;
  for (std::size_t i = 0; i < 4; ++i) {
    if (wanted == kLevels[i]) return static_cast<Level>(i);
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
