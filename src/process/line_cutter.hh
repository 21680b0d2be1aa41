// The output of a command, cut into lines for our log.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace spiffe::process {

// Whatever comes in, it holds one line at most: of longer ones the beginning is shown, of more lines the
// first. Empty lines are nothing. Lines come out as they are, not escaped.
class LineCutter {
 public:
  static constexpr std::size_t kMaxBytes = 200;  // of a line; "…" stands for the rest
  static constexpr std::size_t kMaxLines = 100;  // from one finish() to the next

  explicit LineCutter(std::function<void(std::string_view line)> on_line) : on_line_(std::move(on_line)) {}

  void feed(std::string_view bytes);

  // Shows the line begun; then the count of lines begins anew. How many were not shown.
  std::size_t finish();

 private:
  void end_line();

  std::function<void(std::string_view)> on_line_;
  std::string line_;  // without its end
  bool cut_ = false;  // it was longer
  std::size_t lines_ = 0;
};

}  // namespace spiffe::process
