// Takes away what a helper left behind. Never follows a symlink, never goes deeper than the files of one
// generation, and touches nothing but names of its own. What cannot be removed stays: the next start tries
// again.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// Removes the generation `name` with its files. `leaves`: what it is known to hold, which saves a listing.
void remove_generation(const Place& place, const std::string& name, std::span<const std::string> leaves);

// Removes all temporaries and all generations of this helper but `live` (a name, or "").
Result<void> sweep(const Place& place, const std::string& live);

// The names in a generation; empty where it cannot be read.
[[nodiscard]] std::vector<std::string> leaves_of(int generation);

// Removes the symlinks of outputs that lead into "..data" of this helper and are not among `keep` (sorted).
void remove_links(const Place& place, std::span<const std::string> leaves, std::span<const std::string> keep);

// Removes one file from the live generation, where there is one. Returns whether it was there.
bool remove_from_live(const Place& place, const std::string& leaf);

// After a change of layout from snapshot: "..data" goes where it is ours, all generations, and links that
// would lead nowhere now. `keep` (sorted): the outputs of today.
Result<void> retire_snapshot(const Place& place, std::span<const std::string> keep);

}  // namespace spiffe::output
