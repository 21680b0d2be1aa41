#include "output/in_place_layout.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/file_writer.hh"
#include "output/in_place_file.hh"
#include "output/leaf.hh"
#include "output/replace.hh"

namespace spiffe::output {

struct InPlaceLayout::Files : Prepared {
  Files(InPlaceLayout& in_place, std::span<const Item> all, bool are_alone)
      : layout(in_place), items(all), alone(are_alone) {}
  Result<Change> commit(BootTime /*now*/) override { return layout.publish(items, alone); }

  InPlaceLayout& layout;
  std::span<const Item> items;
  bool alone;
};

Result<std::unique_ptr<Prepared>> InPlaceLayout::prepare(std::span<const Item> items, bool alone) {
  return std::make_unique<Files>(*this, items, alone);
}

Result<Change> InPlaceLayout::publish(std::span<const Item> items, bool alone) {
  Change done = Change::unchanged;
  for (const Item& item : items) {
    auto change = put(item);
    if (!change) return change;
    done = std::max(done, *change);
    if (!alone) set_.wrote(done);
  }
  if (alone) return done;
  return set_.settle(items, [this](const std::string& gone) { known_.erase(gone); });
}

bool InPlaceLayout::has_content(const Item& item) const {
  const auto it = known_.find(item.leaf);
  if (it != known_.end()) return it->second == item.digest;
  const Fd fd(::openat(place_.fd(), item.leaf.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return fd && holds(fd.get(), item.file->content.bytes());
}

Result<Change> InPlaceLayout::put(const Item& item) {
  const bool same = has_content(item);
  if (!same) known_[item.leaf] = std::nullopt;
  const auto leaf = look_at(place_, item.leaf);
  if (!leaf) return fail(leaf.error());
  Change change = same ? Change::unchanged : Change::published;
  if (leaf->kind == Leaf::Kind::our_link || leaf->kind == Leaf::Kind::helper_link) {
    // A link of the snapshot layout: content written through it would disappear with its generation.
    if (auto replaced = replace_files(place_, {&item, 1}); !replaced) return fail(replaced.error());
    change = std::max(change, Change::repaired);
  } else {
    const auto written = write(item, same);
    if (!written) return written;
    change = std::max(change, *written);
  }
  known_[item.leaf] = item.digest;
  return change;
}

// `same`: the content is already there, unless it was changed since.
Result<Change> InPlaceLayout::write(const Item& item, bool same) {
  const auto found = find_in_place(place_, item);
  if (!found) return fail(found.error());
  const bool whole = found->file && static_cast<std::size_t>(found->st.st_size) == item.file->content.size();
  const bool due = !same || !whole;
  // A file written since the start is not checked again: some file systems give new files to another user.
  const bool judged = due || !known_.contains(item.leaf);
  if (judged && !found->refusal.empty()) {
    if (auto replaced = replace_foreign(item, *found); !replaced) return fail(replaced.error());
    return Change::repaired;
  }
  if (!found->refusal.empty() || (!due && has_attributes(found->st, *item.file))) return Change::unchanged;
  const auto written = write_in_place(place_, item, false, due);
  if (!written) return fail(written.error());
  return *written ? Change::repaired : Change::unchanged;
}

// Puts a new file at a name that leads to another user's file, which must not be written through.
Result<void> InPlaceLayout::replace_foreign(const Item& item, const InPlaceFile& found) {
  const std::string path = place_.directory.path().shown(item.leaf);
  const std::string hint = (found.at_leaf ? "remove it, or choose a cert_dir that only the helper can write"
                                          : "remove the symlink") +
                           std::string("; if that user is meant to have the content set ") +
                           (holds(item.file->contents, Contents::key) ? "key_owner" : "owner") + " = " +
                           std::to_string(found.refused_user);
  if (!found.at_leaf) {
    // The link is ours: a reader at its other end would not see a file that replaces the link.
    return fail(ErrorKind::failed,
                "cannot write " + path + ": " + found.refusal + ", and is not written through", hint);
  }
  // Recorded first, because the replacement would give this notice in words for the other layouts.
  place_.notices->warn("link_replaced", path,
                       found.refusal + ": replaced by a new file instead of being written");
  auto replaced = replace_files(place_, {&item, 1});
  const int code = replaced ? 0 : replaced.error().sys;
  if (code != EACCES && code != EPERM && code != EROFS) return replaced;
  Error error = replaced.error();
  error.message = "cannot write " + path + ": " + found.refusal +
                  ", so it is not written, and it cannot be replaced: " + errno_text(code);
  error.hint = hint;
  return fail(std::move(error));
}

Result<Change> InPlaceLayout::withdraw(const std::string& leaf) {
  known_[leaf] = std::nullopt;
  const auto found = look_at(place_, leaf);
  if (!found) return fail(found.error());
  if (found->kind == Leaf::Kind::foreign_link) {
    // The content to remove is at the other end, if only trusted links lead to it; otherwise we did not write
    // it.
    const File nothing;
    const Item item{&nothing, leaf, {}};
    const auto target = find_in_place(place_, item);
    if (!target) return fail(target.error());
    if (target->refusal.empty()) {
      auto emptied = empty_in_place(place_, item);
      if (!emptied) return fail(emptied.error());
      return *emptied ? Change::published : Change::unchanged;
    }
  }
  return set_.remove(leaf);
}

}  // namespace spiffe::output
