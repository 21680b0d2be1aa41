#include "output/snapshot_layout.hh"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/cleaner.hh"
#include "output/file_writer.hh"
#include "output/replace.hh"
#include "output/temporaries.hh"

namespace spiffe::output {

namespace {

constexpr auto kReadersGrace = std::chrono::seconds(10);
// Including the live one. tidy() leaves room for one more, so that publications usually need not delete.
constexpr std::size_t kMaxGenerations = 64;

}  // namespace

// The next generation and the links to it. Has no generation if the live one already has the content.
struct SnapshotLayout::Next : Prepared {
  Next(SnapshotLayout& snapshot, Items all) : layout(snapshot), items(all), links(snapshot.place_) {}
  ~Next() override {
    if (generation) discard_generation(layout.place_, *generation, items);
  }
  Result<Change> commit(BootTime now) override { return layout.publish(*this, now); }

  SnapshotLayout& layout;
  Items items;
  std::vector<Leaf> found;  // at the names of `items`
  std::optional<Generation> generation;
  Temporaries links;  // "..data", then the leaves
};

Result<std::unique_ptr<Prepared>> SnapshotLayout::prepare(Items items, bool alone) {
  if (alone) {
    auto files = singles_.prepare(items, alone);
    while (!files && make_room(files.error())) files = singles_.prepare(items, alone);
    return files;
  }
  const auto id = live_generation_id(place_);
  if (!id) return fail(id.error());
  if (!adopted_) adopt(*id, items);
  if (is_live(items) && files_are_there(items)) return std::make_unique<Next>(*this, items);
  auto next = build(items);
  while (!next && make_room(next.error())) next = build(items);
  return next;
}

Result<Change> SnapshotLayout::publish(Next& next, BootTime now) {
  const auto id = live_generation_id(place_);
  if (!id) return fail(id.error());
  const bool same = is_live(next.items);
  const bool owed = !complete_;
  bool changed = true;
  if (next.generation) {
    // After the switch the new content is live; if the rest fails, the next publication completes it.
    if (auto switched = switch_to(next, *id, now); !switched) return fail(switched.error());
  } else {
    auto repaired = repair(next.items, *id);
    if (!repaired) return fail(repaired.error());
    changed = *repaired;
  }
  remove_links(place_, gone_, live_leaves_);
  gone_.clear();
  complete_ = true;
  if (!same || owed) return Change::published;
  return changed ? Change::repaired : Change::unchanged;
}

// Takes over the results of an earlier run: its content if it is this set, and in any case its owners and
// names.
void SnapshotLayout::adopt(const std::optional<std::string>& id, Items items) {
  adopted_ = true;
  if (!id) return;
  live_ = open_generation(place_, *id);
  if (!live_) return;
  live_leaves_ = leaves_of(live_->directory.get());
  const auto has_owner = [this](const Item& item) {
    struct stat st{};
    return ::fstatat(live_->directory.get(), item.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           has_good_owner(place_, *item.file, st);
  };
  if (live_->ours && holds_exactly(*live_, items) && std::ranges::all_of(items, has_owner)) remember(items);
}

void SnapshotLayout::remember(Items items) {
  known_.emplace();
  for (const Item& item : items) known_->push_back({item.leaf, item.digest});
}

bool SnapshotLayout::is_live(Items items) const {
  return live_ && known_ && std::ranges::equal(items, *known_, [](const Item& item, const Known& known) {
           return item.digest == known.digest && item.leaf == known.leaf;
         });
}

// Creates everything that the switch needs before it, so that a full disk is noticed while nothing has
// changed yet.
auto SnapshotLayout::build(Items items) -> Result<std::unique_ptr<Next>> {
  auto next = std::make_unique<Next>(*this, items);
  next->found.reserve(items.size());
  for (const Item& item : items) {
    auto leaf = look_at(place_, item.leaf);
    if (!leaf) return fail(leaf.error());
    next->found.push_back(*leaf);
  }
  auto generation = build_generation(place_, items, decide_owners(items, next->found));
  if (!generation) return fail(generation.error());
  next->generation = *std::move(generation);
  auto linked = next->links.add_link(place_.names.data(), place_.names.generation(next->generation->id));
  for (std::size_t i = 0; linked && i < items.size(); ++i) {
    linked = next->links.add_link(items[i].leaf, place_.names.leaf_target(items[i].leaf));
  }
  if (!linked) return fail(linked.error());
  return next;
}

Result<void> SnapshotLayout::switch_to(Next& next, const std::optional<std::string>& before, BootTime now) {
  if (const int code = next.links.rename_next(place_.names.data()); code != 0) {
    return place_.directory.fail_at(place_.names.data(), "rename", code);
  }
  complete_ = false;
  supersede(before, *std::exchange(next.generation, std::nullopt), next.items, now);
  if (auto synced = place_.directory.sync(); !synced) return synced;
  auto linked = link_leaves(next.items, next.found, next.links);
  if (!linked) return fail(linked.error());
  return {};
}

std::vector<Ownership> SnapshotLayout::decide_owners(Items items, std::span<const Leaf> found) const {
  std::vector<Ownership> owners;
  owners.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    struct stat st{};
    const struct stat* before = nullptr;
    if (found[i].kind == Leaf::Kind::file) {
      before = &found[i].st;
    } else if (live_ &&
               ::fstatat(live_->directory.get(), items[i].leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(st.st_mode)) {
      before = &st;
    }
    owners.push_back(decide_owner(place_, items[i], before));
  }
  return owners;
}

// Makes `next` the live generation. The previous one is removed after a grace period for its readers.
void SnapshotLayout::supersede(const std::optional<std::string>& before, Generation next, Items items,
                               BootTime now) {
  // Right after the switch, before waiting for the disk.
  if (live_) wake_watchers(*live_, live_leaves_);
  std::vector<std::string> leaves = sorted_leaves(items);
  std::ranges::set_difference(live_leaves_, leaves, std::back_inserter(gone_));
  // A generation that could not be opened is removed as well.
  const std::optional<std::string> old = live_ ? live_->id : before;
  if (old) superseded_.push_back({*old, std::move(live_leaves_), now + kReadersGrace});
  live_ = std::move(next);
  live_leaves_ = std::move(leaves);
  remember(items);
  while (superseded_.size() >= kMaxGenerations) remove_oldest();
}

void SnapshotLayout::remove_oldest() {
  const Superseded& oldest = superseded_.front();
  remove_generation(place_, place_.names.generation(oldest.id), oldest.leaves);
  superseded_.pop_front();
}

// If there is no space for a new generation, superseded ones are removed first: new files are more important
// than the grace period of late readers.
bool SnapshotLayout::make_room(const Error& error) {
  if ((error.sys != ENOSPC && error.sys != EDQUOT) || superseded_.empty()) return false;
  remove_oldest();
  return true;
}

Result<bool> SnapshotLayout::link_leaves(Items items, std::span<const Leaf> found, Temporaries& links) {
  bool changed = false;
  bool created = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string& leaf = items[i].leaf;
    const int code = links.rename_next(leaf);
    if (code == 0) {
      changed = true;
      created = created || found[i].kind != Leaf::Kind::our_link;
      mounted_.erase(leaf);
      warn_of_replacing(place_, leaf, found[i]);
      continue;
    }
    if (!cannot_be_renamed(code)) return fail_to_rename(place_, leaf, code);
    links.drop_next();
    auto written = write_mounted(place_, items[i]);
    if (!written) return written;
    mounted_.insert(leaf);
    changed = changed || *written;
  }
  if (created) {
    if (auto synced = place_.directory.sync(); !synced) return fail(synced.error());
  }
  return changed;
}

bool SnapshotLayout::files_are_there(Items items) const {
  struct stat by_name{};
  struct stat by_fd{};
  const std::string name = place_.names.generation(live_->id);
  if (::fstatat(place_.fd(), name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (::fstat(live_->directory.get(), &by_fd) != 0 || by_name.st_ino != by_fd.st_ino) return false;
  return std::ranges::all_of(items, [this](const Item& item) {
    struct stat st{};
    return ::fstatat(live_->directory.get(), item.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && st.st_nlink == 1 &&
           static_cast<std::size_t>(st.st_size) == item.file->content.size();
  });
}

Result<bool> SnapshotLayout::repair(Items items, const std::optional<std::string>& id) {
  auto files = repair_files(items);
  if (!files) return files;
  bool changed = *files;
  if (id != live_->id) {
    Temporaries link(place_);
    const std::string& data = place_.names.data();
    if (auto added = link.add_link(data, place_.names.generation(live_->id)); !added)
      return fail(added.error());
    if (const int code = link.rename_next(data); code != 0)
      return place_.directory.fail_at(data, "rename", code);
    if (auto synced = place_.directory.sync(); !synced) return fail(synced.error());
    changed = true;
  }
  auto leaves = repair_leaves(items);
  if (!leaves) return leaves;
  return changed || *leaves;
}

// Corrects mode and owner of the live generation's files. By descriptor: if others can write the place,
// another user may have put a directory there before ours was opened.
Result<bool> SnapshotLayout::repair_files(Items items) {
  bool changed = false;
  for (const Item& item : items) {
    const File& file = *item.file;
    const Fd fd(::openat(live_->directory.get(), item.leaf.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat st{};
    if (!fd || ::fstat(fd.get(), &st) != 0) return place_.directory.fail_at(item.leaf, "stat", errno);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || has_attributes(st, file)) continue;
    if ((file.owner.user || file.owner.group) &&
        ::fchownat(fd.get(), "", file.owner.user.value_or(st.st_uid), file.owner.group.value_or(st.st_gid),
                   AT_EMPTY_PATH) != 0) {
      return place_.directory.fail_chown(item.leaf, errno);
    }
    if ((st.st_mode & 07777) != file.mode) {
      if (const int code = change_mode(fd.get(), file.mode); code != 0)
        return place_.directory.fail_at(item.leaf, "chmod", code);
    }
    changed = true;
  }
  return changed;
}

Result<bool> SnapshotLayout::repair_leaves(Items items) {
  std::vector<Item> broken;
  std::vector<Leaf> found;
  bool changed = false;
  for (const Item& item : items) {
    auto leaf = look_at(place_, item.leaf);
    if (!leaf) return fail(leaf.error());
    if (leaf->kind == Leaf::Kind::our_link) continue;
    if (leaf->kind == Leaf::Kind::file && mounted_.contains(item.leaf)) {
      auto written = write_mounted(place_, item);
      if (!written) return written;
      changed = changed || *written;
      continue;
    }
    broken.push_back(item);
    found.push_back(*leaf);
  }
  Temporaries links(place_);
  for (const Item& item : broken) {
    auto added = links.add_link(item.leaf, place_.names.leaf_target(item.leaf));
    if (!added) return fail(added.error());
  }
  auto linked = link_leaves(broken, found, links);
  if (!linked) return linked;
  return changed || *linked;
}

Result<Change> SnapshotLayout::withdraw(const std::string& leaf) {
  const auto id = live_generation_id(place_);
  if (!id) return fail(id.error());
  if (!adopted_) adopt(*id, {});
  const auto found = look_at(place_, leaf);
  if (!found) return fail(found.error());
  bool removed = false;
  if (found->kind != Leaf::Kind::foreign_link) {
    auto here = singles_.withdraw(leaf);
    if (!here) return here;
    removed = *here != Change::unchanged;
  }
  const auto remove_from = [&](const Generation& generation) {
    removed = ::unlinkat(generation.directory.get(), leaf.c_str(), 0) == 0 || removed;
  };
  if (live_) remove_from(*live_);
  for (const Superseded& old : superseded_) {
    if (const auto generation = open_generation(place_, old.id)) remove_from(*generation);
  }
  known_.reset();
  return removed ? Change::published : Change::unchanged;
}

void SnapshotLayout::tidy(BootTime now) {
  while (!superseded_.empty() && (crowded() || superseded_.front().due <= now)) remove_oldest();
}

bool SnapshotLayout::crowded() const {
  return superseded_.size() + 1 >= kMaxGenerations;
}

std::optional<BootTime> SnapshotLayout::next_tidy() const {
  if (superseded_.empty()) return std::nullopt;
  // If crowded, tidy() is due since the last publication.
  return crowded() ? superseded_.back().due - kReadersGrace : superseded_.front().due;
}

void SnapshotLayout::finish() {
  while (!superseded_.empty()) remove_oldest();
  const auto id = live_generation_id(place_);
  if (!may_clean_ || !id) return;
  // It is too late for a notice; the next start cleans up again.
  [[maybe_unused]] const auto swept = sweep(place_, *id ? place_.names.generation(**id) : std::string());
}

}  // namespace spiffe::output
