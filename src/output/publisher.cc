#include "output/publisher.hh"

#include <algorithm>
#include <map>
#include <utility>

#include <unistd.h>

#include "base/openssl.hh"
#include "base/text.hh"
#include "output/arrangement.hh"
#include "output/cleaner.hh"
#include "output/directory.hh"
#include "output/files_layout.hh"
#include "output/generation.hh"
#include "output/in_place_layout.hh"
#include "output/lock.hh"
#include "output/name.hh"
#include "output/own_directory.hh"
#include "output/replace.hh"
#include "output/snapshot_layout.hh"

namespace spiffe::output {

namespace {

// A directory that is open and locked. Destroying it releases the lock.
struct Opened {
  Place place;
  Lock lock;
  std::unique_ptr<Arrangement> arrangement;
  bool has_set = false;
  bool swept = false;  // members left by an earlier run are removed
};

// A directory that contains outputs of this publisher.
struct Site {
  DirectoryPath path;
  std::vector<std::string> leaves;
  std::string members;  // if the directory itself is an output
  std::shared_ptr<Opened> opened;
  bool was_open = false;
  bool warned_insecure = false;
};

std::unique_ptr<Arrangement> arrange(Layout layout, Place& place, bool may_clean) {
  switch (layout) {
    case Layout::snapshot:
      return std::make_unique<SnapshotLayout>(place, may_clean);
    case Layout::files:
      return std::make_unique<FilesLayout>(place, may_clean);
    case Layout::in_place:
      break;
  }
  return std::make_unique<InPlaceLayout>(place, may_clean);
}

// Removes leftovers of an earlier run, except the live generation.
Result<void> clean(const Place& place, Layout layout) {
  const auto live = live_generation_id(place);
  if (!live && layout == Layout::snapshot) return fail(live.error());
  return sweep(place, live && *live ? place.names.generation(**live) : std::string());
}

DirectoryPath path_of(const std::string& cert_dir, std::string_view clean) {
  const std::string_view directory = split_name(clean).directory;
  if (directory.starts_with('/')) return {std::string(directory), {}};
  return {cert_dir, std::string(directory)};
}

Item item_of(const File& file) {
  return {&file, std::string(split_name(file.name).leaf), sha256(file.content.bytes())};
}

// The files of `set` in one directory, in the order in which they are replaced.
std::vector<Item> items_in(std::string_view directory, const FileSet& set) {
  std::vector<Item> items;
  items.reserve(set.files.size());
  for (const File& file : set.files) {
    if (split_name(file.name).directory == directory) items.push_back(item_of(file));
  }
  std::ranges::sort(items, {}, [](const Item& item) {
    return std::pair(turn_of(item.file->contents), std::string_view(item.leaf));
  });
  return items;
}

// The latest turn of these items. Directories are published in this order: readers reload when the
// certificate changes, and files in other directories must be in place by then.
int last_turn(std::span<const Item> items) {
  int last = 0;
  for (const Item& item : items) last = std::max(last, turn_of(item.file->contents));
  return last;
}

// The part of a publication in one directory.
struct Part {
  std::shared_ptr<Opened> opened;
  std::vector<Item> items;
  std::vector<std::string> strays;  // to be removed
  std::unique_ptr<Prepared> prepared = nullptr;
};

}  // namespace

struct Publisher::Staged::Parts {
  FileSet files;           // the items refer to these
  std::vector<Part> list;  // in the order of publication
  unsigned epoch = 0;      // State::epoch at the time of staging

  // Undoes the preparation.
  FileSet files_only() {
    list.clear();
    return std::move(files);
  }
};

struct Publisher::State {
  PublisherOptions options;
  std::map<std::string, Site> sites;  // by the directory part of a clean name
  Notices notices;
  bool moved = false;
  // Changes in one directory by a call that failed in another, for the next call of the same kind: by the
  // name of a single file, "" for the set.
  std::map<std::string, Change> owed;
  Change withdrawn = Change::unchanged;
  unsigned epoch = 0;  // incremented when staged files must be compared with the disk again

  Result<Site*> site_of(std::string_view name);
  Result<void> ensure_open(Site& site);
  Result<void> open_site(Site& site);
  Result<void> check_secure(Site& site, const Directory& directory);
  Outcome outcome(Change change, std::string generation = {});
  // In the order of publication.
  Result<std::vector<Part>> parts_of(const FileSet& set);
  // Adds to `change`.
  Result<void> commit(Part& part, bool alone, BootTime now, Change& change);
};

Result<Site*> Publisher::State::site_of(std::string_view name) {
  const auto it = sites.find(std::string(split_name(name).directory));
  if (it != sites.end()) return &it->second;
  return fail("cannot write " + quote(name) + ": not in a directory of this publisher");
}

Result<void> Publisher::State::ensure_open(Site& site) {
  if (site.opened) {
    // If the path leads nowhere, opening it returns the error: now, and with the same text at every later
    // try.
    const auto there = site.opened->place.directory.still_there();
    const Lock& lock = site.opened->lock;
    const bool locked =
        !lock.fd || still_named(site.opened->place.directory, lock.names.lock(), lock.fd.get());
    if (!there || !*there || !locked) site.opened.reset();
  }
  if (site.opened) return check_secure(site, site.opened->place.directory);
  if (auto opened = open_site(site); !opened) return opened;
  if (std::exchange(site.was_open, true)) moved = true;
  return {};
}

Result<void> Publisher::State::open_site(Site& site) {
  auto directory = Directory::open(site.path, options.create_cert_dir);
  if (!directory) return fail(directory.error());
  if (auto secure = check_secure(site, *directory); !secure) return secure;
  auto lock = take_lock(*directory, site.leaves, options.layout == Layout::in_place, notices);
  if (!lock) return fail(lock.error());
  auto opened = std::make_shared<Opened>(Opened{.place = {std::move(*directory), lock->names, {}, &notices},
                                                .lock = std::move(*lock),
                                                .arrangement = {}});
  const bool may_clean = opened->lock.may_clean;
  if (may_clean) {
    if (auto cleaned = clean(opened->place, options.layout); !cleaned) return cleaned;
  }
  opened->arrangement = arrange(options.layout, opened->place, may_clean);
  site.opened = std::move(opened);
  ++epoch;
  return {};
}

Result<void> Publisher::State::check_secure(Site& site, const Directory& directory) {
  const Writers writers = writers_of(directory.status(), ::getegid(), options.trusted_groups);
  if (writers == Writers::trusted) return {};
  const std::string path = directory.path().shown();
  if (options.require_secure_dir) {
    const bool others = writers == Writers::others;
    const std::string group = "group " + std::to_string(directory.group());
    return fail(
        ErrorKind::failed,
        "cannot write " + path + ": " + (others ? "others" : group) + " can write this directory",
        (others ? "chmod o-w " + path : "chmod g-w " + path + ", set group or key_group to " + group) +
            ", or set require_secure_dir = false");
  }
  if (writers == Writers::others && !std::exchange(site.warned_insecure, true)) {
    notices.warn("insecure_dir", path,
                 "others can write this directory, and so replace what is published here");
  }
  return {};
}

Result<std::vector<Part>> Publisher::State::parts_of(const FileSet& set) {
  std::vector<Part> parts;
  for (auto& [directory, site] : sites) {
    const Opened& opened = *site.opened;
    std::vector<Item> items = items_in(directory, set);
    if (items.empty() && (set.alone || !opened.has_set)) continue;
    Result<std::vector<std::string>> strays;
    if (!site.members.empty() && !opened.swept && !set.alone) {
      strays = find_strays(opened.place, site.members, items);
    }
    if (!strays) return fail(strays.error());
    parts.push_back({site.opened, std::move(items), *std::move(strays)});
  }
  std::ranges::stable_sort(parts, {}, [](const Part& part) { return last_turn(part.items); });
  return parts;
}

Outcome Publisher::State::outcome(Change change, std::string generation) {
  return {.change = change,
          .generation = std::move(generation),
          .moved = std::exchange(moved, false),
          .notices = notices.take()};
}

Result<Publisher> Publisher::create(PublisherOptions options) {
  auto state = std::make_unique<State>();
  for (const std::string& name : options.names) {
    auto clean = clean_name(options.cert_dir, name);
    if (!clean) return fail(clean.error());
    const auto [directory, leaf] = split_name(*clean);
    Site& site = state->sites[std::string(directory)];
    site.path = path_of(options.cert_dir, *clean);
    if (std::ranges::find(site.leaves, leaf) != site.leaves.end()) {
      return fail(ErrorKind::config, "two outputs are called " + quote(*clean));
    }
    site.leaves.emplace_back(leaf);
    if (const auto members = options.members.find(name); members != options.members.end())
      site.members = members->second;
  }
  state->options = std::move(options);
  return Publisher(std::move(state));
}

Publisher::Staged::Staged(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Publisher::Staged::Staged(Staged&&) noexcept = default;
Publisher::Staged& Publisher::Staged::operator=(Staged&&) noexcept = default;
Publisher::Staged::~Staged() = default;

Publisher::Publisher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Publisher::Publisher(Publisher&&) noexcept = default;
Publisher& Publisher::operator=(Publisher&&) noexcept = default;
Publisher::~Publisher() = default;

Result<void> Publisher::open() {
  std::vector<Site*> fresh;
  for (auto& [directory, site] : state_->sites) {
    const Opened* before = site.opened.get();
    auto opened = state_->ensure_open(site);
    if (site.opened && site.opened.get() != before) fresh.push_back(&site);
    if (opened) continue;
    // Take all locks or none: two helpers that hold one directory each and wait for the other's would
    // deadlock.
    for (Site* other : fresh) other->opened.reset();
    return opened;
  }
  return {};
}

Result<bool> Publisher::check() {
  if (auto opened = open(); !opened) return fail(opened.error());
  return std::exchange(state_->moved, false);
}

Result<Publisher::Staged> Publisher::stage(FileSet files) {
  if (auto ready = open(); !ready) return fail(ready.error());
  for (const File& file : files.files) {
    if (auto site = state_->site_of(file.name); !site) return fail(site.error());
  }
  auto parts = std::make_unique<Staged::Parts>(
      Staged::Parts{.files = std::move(files), .list = {}, .epoch = state_->epoch});
  auto list = state_->parts_of(parts->files);
  if (!list) return fail(list.error());
  parts->list = *std::move(list);
  for (Part& part : parts->list) {
    auto prepared = part.opened->arrangement->prepare(part.items, parts->files.alone);
    if (!prepared) return fail(prepared.error());
    part.prepared = *std::move(prepared);
  }
  return Staged(std::move(parts));
}

Result<Outcome> Publisher::commit(Staged staged, BootTime now) {
  if (auto ready = open(); !ready) return fail(ready.error());
  if (staged.parts_->epoch != state_->epoch) {
    auto again = stage(std::exchange(staged.parts_, nullptr)->files_only());
    if (!again) return fail(again.error());
    staged = *std::move(again);
  }
  const FileSet& files = staged.parts_->files;
  if (!files.alone) ++state_->epoch;
  const bool named = files.alone && !files.files.empty();
  const auto owed = state_->owed.try_emplace(named ? files.files.front().name : std::string()).first;
  std::string generation;
  for (Part& part : staged.parts_->list) {
    if (auto done = state_->commit(part, files.alone, now, owed->second); !done) return fail(done.error());
    if (!files.alone) generation = part.opened->arrangement->generation();
  }
  const Change change = owed->second;
  state_->owed.erase(owed);
  return state_->outcome(change, std::move(generation));
}

Result<void> Publisher::State::commit(Part& part, bool alone, BootTime now, Change& change) {
  Opened& opened = *part.opened;
  const auto committed = part.prepared->commit(now);
  if (!committed) return fail(committed.error());
  change = std::max(change, *committed);
  if (alone) return {};
  opened.has_set = !part.items.empty();
  for (const std::string& stray : part.strays) {
    auto removed = remove_file(opened.place, stray);
    if (!removed) return fail(removed.error());
    if (*removed) change = Change::published;
  }
  opened.swept = true;
  return {};
}

Result<Outcome> Publisher::withdraw(std::span<const std::string> names) {
  if (auto opened = open(); !opened) return fail(opened.error());
  ++state_->epoch;
  for (const std::string& name : names) {
    auto site = state_->site_of(name);
    if (!site) return fail(site.error());
    Opened& opened = *(*site)->opened;
    Result<std::vector<std::string>> leaves = std::vector{std::string(split_name(name).leaf)};
    if (leaves->front() == "*") leaves = find_members(opened.place, (*site)->members);
    if (!leaves) return fail(leaves.error());
    for (const std::string& leaf : *leaves) {
      auto change = opened.arrangement->withdraw(leaf);
      if (!change) return fail(change.error());
      state_->withdrawn = std::max(state_->withdrawn, *change);
    }
  }
  return state_->outcome(std::exchange(state_->withdrawn, Change::unchanged));
}

void Publisher::tidy(BootTime now) {
  for (auto& [directory, site] : state_->sites) {
    if (site.opened) site.opened->arrangement->tidy(now);
  }
}

std::optional<BootTime> Publisher::next_tidy() const {
  std::optional<BootTime> next;
  for (const auto& [directory, site] : state_->sites) {
    if (!site.opened) continue;
    const auto when = site.opened->arrangement->next_tidy();
    if (when && (!next || *when < *next)) next = when;
  }
  return next;
}

void Publisher::finish() {
  const bool lock_stays = state_->options.layout == Layout::snapshot && !state_->options.one_shot;
  for (auto& [directory, site] : state_->sites) {
    if (!site.opened) continue;
    site.opened->arrangement->finish();
    if (!lock_stays) remove_lock(site.opened->place.directory, site.opened->lock);
  }
}

bool Publisher::on_memory() const {
  return std::ranges::all_of(state_->sites, [](const auto& entry) {
    const Site& site = entry.second;
    return site.opened && site.opened->place.directory.on_memory();
  });
}

std::vector<Notice> Publisher::take_notices() {
  return state_->notices.take();
}

}  // namespace spiffe::output
