// Putting files at their names: by rename, or in place where a name cannot be renamed over.
#pragma once

#include <span>
#include <string>

#include "base/result.hh"
#include "output/arrangement.hh"
#include "output/leaf.hh"
#include "output/place.hh"

namespace spiffe::output {

// Writes every item to a temporary first, asks for the approval, then renames them over their names in the
// order given, then syncs the directory. Until the first rename an error changes nothing.
Result<void> replace_files(Place& place, std::span<const Item> items, Approval& approval);

// Whether rename(2) failed because something is mounted on the name.
[[nodiscard]] bool cannot_be_renamed(int code);

// For a name that cannot be renamed over: writes it in place unless it holds the content already, and says so
// once. Returns whether anything changed.
Result<bool> write_mounted(const Place& place, const Item& item);

// Removes a plain file, or empties it where its name cannot be removed. Returns whether there was one.
Result<bool> remove_file(const Place& place, const std::string& leaf);

}  // namespace spiffe::output
