// Generations: the directories "..gen.<id>" that hold one set each, and the link "..data" that names the live
// one.
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
  bool ours = true;  // made by this user and writable by nobody else: what is in it is what we put there
};

// Builds a generation that holds exactly `items`, synced. On an error nothing of it is left.
// `ownerships` runs parallel to `items`.
Result<Generation> build_generation(const Place& place, std::span<const Item> items,
                                    std::span<const Ownership> ownerships);

// Removes a generation that was built in vain. Needs no free descriptor.
void discard_generation(const Place& place, const Generation& generation, std::span<const Item> items);

// The id of the generation that "..data" names, whether or not it exists; none where there is no "..data".
// Where "..data" is anything else it is somebody else's: an error that says so.
Result<std::optional<std::string>> live_generation_id(const Place& place);

// Opens a generation. None where it is not there; nor where it is not this user's and others could have put
// it there.
std::optional<Generation> open_generation(const Place& place, const std::string& id);

// Tells those who watch the files of a superseded generation, as everybody does who watched the name of a
// leaf: by then the name leads to the new ones. All files, changed or not: each of these watches ends with
// the generation, and must be renewed.
void wake_watchers(const Generation& generation, std::span<const std::string> leaves);

// Whether the generation holds exactly `items`, byte for byte.
[[nodiscard]] bool holds_exactly(const Generation& generation, std::span<const Item> items);

}  // namespace spiffe::output
