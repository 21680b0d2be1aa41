// Removes files left behind by a helper. Never follows a symlink, never goes deeper than the files of one
// generation, and touches only names of its own. A file that cannot be removed stays; the next start tries
// again.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// Removes the generation `name` with its files. `leaves` are its known files, which saves a listing.
void remove_generation(const Place& place, const std::string& name, std::span<const std::string> leaves);

// Removes all temporaries, and all generations of this helper except `live` (a name, or "").
Result<void> sweep(const Place& place, const std::string& live);

// The names in a generation; empty if it cannot be read.
[[nodiscard]] std::vector<std::string> leaves_of(int generation);

// Removes the symlinks of `leaves` that lead into this helper's "..data", unless they are in `keep` (sorted).
void remove_links(const Place& place, std::span<const std::string> leaves, std::span<const std::string> keep);

// Removes one file from the live generation, if there is one. Returns whether the file existed.
bool remove_from_live(const Place& place, const std::string& leaf);

// After a change from the snapshot layout to another one: removes "..data" if it is ours, all generations,
// and links that would now be dangling. `keep` (sorted) are the current outputs.
Result<void> retire_snapshot(const Place& place, std::span<const std::string> keep);

}  // namespace spiffe::output
