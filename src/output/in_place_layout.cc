#include "output/in_place_layout.hh"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/cleaner.hh"
#include "output/file_writer.hh"
#include "output/files_layout.hh"
#include "output/leaf.hh"
#include "output/replace.hh"

namespace spiffe::output {

Result<Change> InPlaceLayout::publish(std::span<const Item> items, Approval& approval, BootTime /*now*/) {
  if (auto approved = approval.given(); !approved) return fail(approved.error());
  for (const Item& item : items) {
    auto change = put(item, approval);
    if (!change) return change;
    owed_ = std::max(owed_, *change);
  }
  std::vector<std::string> leaves = sorted_leaves(items);
  for (const std::string& gone : set_) {
    if (std::ranges::binary_search(leaves, gone)) continue;
    if (auto removed = remove_file(place_, gone); !removed) return fail(removed.error());
    known_.erase(gone);
    owed_ = Change::published;
  }
  set_ = std::move(leaves);
  if (may_clean_ && !retired_) {
    if (auto retired = retire_snapshot(place_, set_); !retired) return fail(retired.error());
    retired_ = true;
  }
  return std::exchange(owed_, Change::unchanged);
}

bool InPlaceLayout::has_content(const Item& item) const {
  const auto it = known_.find(item.leaf);
  if (it != known_.end()) return it->second == item.digest;
  const Fd fd(::openat(place_.fd(), item.leaf.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return fd && holds(fd.get(), item.file->content.bytes());
}

Result<Change> InPlaceLayout::put(const Item& item, Approval& approval) {
  struct stat st{};
  const bool there = ::fstatat(place_.fd(), item.leaf.c_str(), &st, 0) == 0;
  const bool same = has_content(item);
  const bool whole = there && static_cast<std::size_t>(st.st_size) == item.file->content.size();
  Change change = same ? Change::unchanged : Change::published;
  if (!same) known_[item.leaf] = std::nullopt;
  const auto leaf = look_at(place_, item.leaf);
  if (!leaf) return fail(leaf.error());
  if (leaf->kind == Leaf::Kind::our_link || leaf->kind == Leaf::Kind::helper_link) {
    // A snapshot layout's link: written through, the file would be gone with its generation.
    if (auto replaced = replace_files(place_, {&item, 1}, approval); !replaced) return fail(replaced.error());
    change = std::max(change, Change::repaired);
  } else if (!same || !whole || !has_attributes(st, *item.file)) {
    if (auto approved = approval.given(); !approved) return fail(approved.error());
    auto written = write_in_place(place_, item, true, !same || !whole);
    if (!written) return fail(written.error());
    if (*written) change = std::max(change, Change::repaired);
  }
  known_[item.leaf] = item.digest;
  return change;
}

Result<Change> InPlaceLayout::withdraw(const std::string& leaf) {
  known_[leaf] = std::nullopt;
  const auto found = look_at(place_, leaf);
  if (!found) return fail(found.error());
  if (found->kind == Leaf::Kind::foreign_link) {
    // What must go is at the other end.
    const Fd fd(::openat(place_.fd(), leaf.c_str(), O_WRONLY | O_NONBLOCK | O_TRUNC | O_CLOEXEC));
    if (fd || errno == ENOENT) return fd ? Change::published : Change::unchanged;
    return place_.directory.fail_at(leaf, "truncate", errno);
  }
  const bool generation = may_clean_ && !retired_ && remove_from_live(place_, leaf);
  auto removed = remove_file(place_, leaf);
  if (!removed) return fail(removed.error());
  return *removed || generation ? Change::published : Change::unchanged;
}

}  // namespace spiffe::output
