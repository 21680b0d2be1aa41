#include "output/name.hh"

#include <algorithm>
#include <vector>

#include "base/text.hh"

namespace spiffe::output {

namespace {

std::unexpected<Error> bad(std::string_view name, std::string_view why, std::string hint = {}) {
  return fail(ErrorKind::config, "output file " + quote(name) + " " + std::string(why), std::move(hint));
}

// The components of `name` with "." and ".." resolved. False if ".." leads above the top.
bool resolve(std::string_view name, std::vector<std::string_view>& out) {
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      out.push_back(part);
    } else if (out.empty()) {
      return false;
    } else {
      out.pop_back();
    }
  }
  return true;
}

}  // namespace

Result<std::string> clean_name(std::string_view cert_dir, std::string_view name) {
  if (name.empty()) return bad(name, "has no name");
  if (std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return bad(name, "has a control character in its name");
  }
  std::vector<std::string_view> parts;
  if (!resolve(name, parts)) return bad(name, "leaves cert_dir", "name a place below cert_dir");
  if (parts.empty() || name.ends_with('/') || name.ends_with("/.") || name.ends_with("/..")) {
    return bad(name, "names a directory");
  }
  std::string clean = cert_dir.empty() && name.starts_with('/') ? "/" : "";
  for (const std::string_view part : parts) {
    if (part.starts_with("..")) {
      return bad(name, "has a component that begins with \"..\"", "such names are kept for the publisher");
    }
    if (!clean.empty() && !clean.ends_with('/')) clean += '/';
    clean += part;
  }
  return clean;
}

SplitName split_name(std::string_view clean) {
  const std::size_t slash = clean.rfind('/');
  if (slash == std::string_view::npos) return {{}, clean};
  return {clean.substr(0, slash == 0 ? 1 : slash), clean.substr(slash + 1)};
}

}  // namespace spiffe::output
