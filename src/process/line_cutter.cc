#include "process/line_cutter.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"

namespace spiffe::process {

namespace {

// Removes an incomplete UTF-8 character at the end.
void drop_partial_character(std::string& text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const std::size_t at = text.size() - back;
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte & 0xC0U) == 0x80U) continue;
    if (byte >= 0xC0U && utf8_length(std::string_view(text).substr(at)) == 0) text.resize(at);
    return;
  }
}

}  // namespace

void LineCutter::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::size_t room = kMaxBytes - line_.size();
    cut_ = cut_ || end > room;
    line_ += bytes.substr(0, std::min(end, room));
    if (end == bytes.size()) return;
    end_line();
    bytes.remove_prefix(end + 1);
  }
}

std::size_t LineCutter::finish() {
  end_line();
  const std::size_t all = std::exchange(lines_, 0);
  return all - std::min(all, kMaxLines);
}

void LineCutter::end_line() {
  if (!cut_ && line_.ends_with('\r')) line_.pop_back();
  if (!line_.empty() && ++lines_ <= kMaxLines) {
    if (cut_) {
      drop_partial_character(line_);
      line_ += "…";
    }
    on_line_(line_);
  }
  line_.clear();
  cut_ = false;
}

}  // namespace spiffe::process
