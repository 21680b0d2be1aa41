// Generations: directories "..gen.<id>" that contain one set each, and the link "..data" to the live one.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/leaf.hh"
#include "output/place.hh"

namespace spiffe::output {

struct Generation {
  std::string id;
  Fd directory;
  bool ours = true;  // created by this user and writable by no other, so its content is what we wrote
};

// Creates a generation with exactly `items`, synced. After an error nothing of it remains. `ownerships`
// corresponds to `items` by index.
Result<Generation> build_generation(const Place& place, std::span<const Item> items,
                                    std::span<const Ownership> ownerships);

// Removes a generation that was not used. Needs no free descriptor.
void discard_generation(const Place& place, const Generation& generation, std::span<const Item> items);

// The id of the generation that "..data" names, whether or not it exists; nullopt if there is no "..data". If
// "..data" is anything else, it is not ours: an error.
Result<std::optional<std::string>> live_generation_id(const Place& place);

// Opens a generation. nullopt if it does not exist, or if it belongs to another user and others could have
// put it there.
std::optional<Generation> open_generation(const Place& place, const std::string& id);

// Notifies programs that watch the files of a superseded generation, as all programs do that watch the name
// of a leaf: the name leads to the new files by now. Touches all files, changed or not, because each of these
// watches ends with the generation and must be renewed.
void wake_watchers(const Generation& generation, std::span<const std::string> leaves);

// Whether the generation holds exactly `items`, byte for byte.
[[nodiscard]] bool holds_exactly(const Generation& generation, std::span<const Item> items);

}  // namespace spiffe::output
