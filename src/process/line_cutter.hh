// The output of a command, cut into lines for our log.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace spiffe::process {

// Keeps at most one line in memory, for any input: only the beginning of longer lines is shown, and only the
// first kMaxLines. Empty lines are ignored. Lines are passed on unescaped.
class LineCutter {
 public:
  static constexpr std::size_t kMaxBytes = 200;  // bytes of a line; "…" replaces the rest
  static constexpr std::size_t kMaxLines = 100;  // between two calls of finish()

  explicit LineCutter(std::function<void(std::string_view line)> on_line) : on_line_(std::move(on_line)) {}

  void feed(std::string_view bytes);

  // Shows the unfinished line, and resets the count of lines. Returns how many were not shown.
  std::size_t finish();

 private:
  void end_line();

  std::function<void(std::string_view)> on_line_;
  std::string line_;  // without its newline
  bool cut_ = false;  // the line was longer
  std::size_t lines_ = 0;
};

}  // namespace spiffe::process
