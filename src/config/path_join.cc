#include "config/path_join.hh"

#include <vector>

namespace spiffe::config {

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    const bool up = part == "..";
    if (up && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!up || !rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return out.empty() ? "." : out;
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() && name.empty()) return {};
  if (directory.empty()) return clean_path(name);
  if (name.empty()) return clean_path(directory);
  return clean_path(std::string(directory) + "/" + std::string(name));
}

bool leaves_directory(std::string_view name) {
  while (name.starts_with('/')) name.remove_prefix(1);
  const std::string clean = clean_path(name);
  return clean == "." || clean == ".." || clean.starts_with("../");
}

}  // namespace spiffe::config
