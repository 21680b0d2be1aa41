#include "output/files_layout.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "output/cleaner.hh"
#include "output/file_writer.hh"
#include "output/leaf.hh"
#include "output/replace.hh"

namespace spiffe::output {

struct FilesLayout::Files : Prepared {
  Files(FilesLayout& files_layout, std::span<const Item> all, bool are_alone)
      : layout(files_layout), items(all), alone(are_alone) {}
  Result<Change> commit(BootTime /*now*/) override { return layout.publish(*this); }

  FilesLayout& layout;
  std::span<const Item> items;
  bool alone;
  bool same = true;       // as the content on disk
  std::vector<Item> due;  // to be written: all, or those changed by others
  std::optional<Replacement> replacement;
};

Result<std::unique_ptr<Prepared>> FilesLayout::prepare(std::span<const Item> items, bool alone) {
  auto files = std::make_unique<Files>(*this, items, alone);
  files->same = std::ranges::all_of(items, [this](const Item& item) { return has_content(item); });
  for (const Item& item : items) {
    if (files->same) {
      const auto leaf = look_at(place_, item.leaf);
      if (!leaf) return fail(leaf.error());
      const bool good = leaf->kind == Leaf::Kind::file && has_attributes(leaf->st, *item.file) &&
                        static_cast<std::size_t>(leaf->st.st_size) == item.file->content.size();
      if (good) continue;
    }
    files->due.push_back(item);
  }
  if (!files->due.empty()) {
    auto replacement = Replacement::prepare(place_, files->due);
    if (!replacement) return fail(replacement.error());
    files->replacement.emplace(*std::move(replacement));
  }
  return files;
}

Result<Change> FilesLayout::publish(Files& files) {
  auto change = replace(files);
  if (!change || files.alone) return change;
  set_.wrote(*change);
  return set_.settle(files.items, [this](const std::string& gone) { known_.erase(gone); });
}

bool FilesLayout::has_content(const Item& item) const {
  const auto it = known_.find(item.leaf);
  if (it != known_.end()) return it->second.whole && it->second.digest == item.digest;
  struct stat st{};
  return ::fstatat(place_.fd(), item.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         has_good_owner(place_, *item.file, st) && holds(place_.fd(), item.leaf, item.file->content.bytes());
}

Result<Change> FilesLayout::replace(Files& files) {
  if (files.replacement) {
    for (const Item& item : files.due) known_[item.leaf].whole = known_[item.leaf].whole && files.same;
    if (auto replaced = files.replacement->commit(); !replaced) return fail(replaced.error());
  }
  for (const Item& item : files.items) known_[item.leaf] = {item.digest, true};
  if (!files.same) return Change::published;
  return files.due.empty() ? Change::unchanged : Change::repaired;
}

Result<Change> FilesLayout::withdraw(const std::string& leaf) {
  known_[leaf] = {};
  return set_.remove(leaf);
}

void FilesLayout::finish() {
  if (!set_.retired()) return;  // links may still lead to a live generation
  // It is too late for a notice; the next start cleans up again.
  [[maybe_unused]] const auto swept = sweep(place_, "");
}

}  // namespace spiffe::output
