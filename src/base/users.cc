#include "base/users.hh"

#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "base/text.hh"

namespace spiffe {

namespace {

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  // chown(2) takes (uid_t)-1 as "do not change".
  if (value == std::numeric_limits<unsigned>::max()) return std::nullopt;
  return value;
}

// passwd(5) and group(5) have the same first fields: name:password:number:…
Result<unsigned> look_up(const char* file, std::string_view what, std::string_view wanted) {
  if (const auto direct = number(wanted)) return *direct;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t name_end = line.find(':');
    if (name_end == std::string::npos || std::string_view(line).substr(0, name_end) != wanted) continue;
    const std::size_t id_begin = line.find(':', name_end + 1);
    if (id_begin == std::string::npos) continue;
    const std::size_t id_end = line.find(':', id_begin + 1);
    const auto id = number(std::string_view(line).substr(
        id_begin + 1, id_end == std::string::npos ? std::string::npos : id_end - id_begin - 1));
    if (id) return *id;
  }
  return fail(ErrorKind::config, "no " + std::string(what) + " is called " + quote(wanted) + " in " + file,
              "use the number, or a name that " + std::string(file) + " lists");
}

}  // namespace

Result<uid_t> find_user(std::string_view name_or_number) {
  return look_up("/etc/passwd", "user", name_or_number);
}

Result<gid_t> find_group(std::string_view name_or_number) {
  return look_up("/etc/group", "group", name_or_number);
}

}  // namespace spiffe
