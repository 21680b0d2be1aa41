// The log: one line per event on stderr, written with one write(2) so that lines of several threads never
// mix.
//
//   log::info("svid published", {{"spiffe_id", id}, {"not_after", rfc3339(t)}});
//
// A private key must never be a field. Values may come from agents and files, so every format escapes them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hh"

namespace spiffe::log {

enum class Level { debug, info, warning, error, fatal };
enum class Format {
  automatic,  // console on a terminal, else text
  text,       // in the format of logrus: time="…" level=info msg="…" key=value … system=spiffe-helper
  json,       // one object per line: time, level, msg, system and the fields
  console,    // short and coloured, for reading on a terminal
};

// A key and its value. The caller formats numbers and durations.
struct Field {
  std::string_view key;
  std::string value;
};
using Fields = std::vector<Field>;

// `fd` is where lines go (2 is stderr). Call it before the first thread starts; later calls must pass the
// same `fd`. NO_COLOR is respected.
void configure(Level level, Format format, int fd = 2);
// Changes the level at run time, for a configuration reload. Loop thread.
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);

void write(Level level, std::string_view message, const Fields& fields = {});
inline void debug(std::string_view m, const Fields& f = {}) {
  write(Level::debug, m, f);
}
inline void info(std::string_view m, const Fields& f = {}) {
  write(Level::info, m, f);
}
inline void warning(std::string_view m, const Fields& f = {}) {
  write(Level::warning, m, f);
}
inline void error(std::string_view m, const Fields& f = {}) {
  write(Level::error, m, f);
}
inline void fatal(std::string_view m, const Fields& f = {}) {
  write(Level::fatal, m, f);
}

// A log for one of several similar objects: each line ends with fields that identify the object.
class Logger {
 public:
  Logger() = default;
  explicit Logger(Fields whose) : whose_(std::move(whose)) {}

  void write(Level level, std::string_view message, Fields fields = {}) const {
    log::write(level, message, with(std::move(fields)));
  }
  void debug(std::string_view m, Fields f = {}) const { write(Level::debug, m, std::move(f)); }
  void info(std::string_view m, Fields f = {}) const { write(Level::info, m, std::move(f)); }
  void warning(std::string_view m, Fields f = {}) const { write(Level::warning, m, std::move(f)); }
  void error(std::string_view m, Fields f = {}) const { write(Level::error, m, std::move(f)); }

  [[nodiscard]] Fields with(Fields fields) const {
    fields.insert(fields.end(), whose_.begin(), whose_.end());
    return fields;
  }

 private:
  Fields whose_;
};

// While a Batch exists, the lines of its thread are kept; its destructor writes them together. For work that
// is more urgent than its log. If batches are nested, only the outermost one counts.
class Batch {
 public:
  Batch();
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

 private:
  bool outermost_;
};

// One line without its newline, in the given format; used by write(). Pure; `time` is inserted as it is.
[[nodiscard]] std::string format_line(Format format, bool colour, std::string_view time, Level level,
                                      std::string_view message, const Fields& fields);

// A threshold, in any word of logrus and in any case: "warn" means warning, "trace" means debug, "fatal" and
// "panic" mean error.
[[nodiscard]] Result<Level> parse_level(std::string_view text);
[[nodiscard]] Result<Format> parse_format(std::string_view text);

}  // namespace spiffe::log
