#include "output/own_directory.hh"

#include <algorithm>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.hh"
#include "output/cleaner.hh"
#include "output/generation.hh"
#include "output/leaf.hh"

namespace spiffe::output {

namespace {

constexpr std::string_view kHelpers = "..";  // prefix of names that are not outputs

std::vector<std::string_view> words(std::string_view members) {
  std::vector<std::string_view> out;
  while (!members.empty()) {
    const std::size_t end = std::min(members.find(' '), members.size());
    out.push_back(members.substr(0, end));
    members.remove_prefix(std::min(end + 1, members.size()));
  }
  return out;
}

bool is_directory(const Place& place, const std::string& name) {
  struct stat st{};
  return ::fstatat(place.fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

// Only helpers create such links.
bool is_link_of_a_helper(const Place& place, const std::string& name) {
  const auto leaf = look_at(place, name);
  return leaf && (leaf->kind == Leaf::Kind::our_link || leaf->kind == Leaf::Kind::helper_link);
}

Result<std::vector<std::string>> names_in(const Place& place) {
  std::vector<std::string> out;
  const auto listed = for_each_entry(place.fd(), [&](std::string_view name) {
    if (!name.starts_with(kHelpers)) out.emplace_back(name);
  });
  if (!listed) return place.directory.fail_at({}, listed.error().message, listed.error().sys);
  std::ranges::sort(out);
  return out;
}

}  // namespace

bool is_member(std::string_view members, std::string_view name) {
  if (name.starts_with(kHelpers)) return false;
  return std::ranges::any_of(words(members), [&](std::string_view word) {
    const bool any = word.starts_with('*');
    if (any || word.starts_with('?')) word.remove_prefix(1);
    return any ? name.size() > word.size() && name.ends_with(word) : name == word;
  });
}

std::vector<std::string> fixed_members(std::string_view members) {
  std::vector<std::string> out;
  for (const std::string_view word : words(members)) {
    if (!word.starts_with('*') && !word.starts_with('?')) out.emplace_back(word);
  }
  return out;
}

Result<std::vector<std::string>> find_strays(const Place& place, std::string_view members,
                                             std::span<const Item> items) {
  const auto names = names_in(place);
  if (!names) return fail(names.error());
  std::set<std::string_view> wanted;
  for (const Item& item : items) wanted.insert(item.leaf);
  std::vector<std::string> strays;
  std::string doubtful;
  std::string foreign;
  for (const std::string& name : *names) {
    if (wanted.contains(name)) continue;
    if (!is_member(members, name) || is_directory(place, name)) {
      foreign = name;
      continue;
    }
    if (!is_link_of_a_helper(place, name)) doubtful = name;
    strays.push_back(name);
  }
  if (doubtful.empty() || foreign.empty()) return strays;
  return fail(
      ErrorKind::failed,
      "cannot write " + place.directory.path().shown() + ": " + quote(doubtful) +
          " would have to be removed, and may be another program's, as " + quote(foreign) + " is",
      "this output needs a directory of its own: name another one, or remove what is not the helper's");
}

Result<std::vector<std::string>> find_members(const Place& place, std::string_view members) {
  auto names = names_in(place);
  if (!names) return names;
  const auto live = live_generation_id(place);
  if (live && *live) {
    if (const auto generation = open_generation(place, **live)) {
      const auto leaves = leaves_of(generation->directory.get());
      names->insert(names->end(), leaves.begin(), leaves.end());
    }
  }
  std::erase_if(*names, [&](const std::string& name) {
    return !is_member(members, name) || is_directory(place, name);
  });
  std::ranges::sort(*names);
  const auto twice = std::ranges::unique(*names);
  names->erase(twice.begin(), twice.end());
  return names;
}

}  // namespace spiffe::output
