// Writes and compares single files.
#pragma once

#include <span>
#include <string>

#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/leaf.hh"
#include "output/place.hh"

namespace spiffe::output {

// Creates `name` in `directory` (the place or a generation of it) with the item's content, owner and mode,
// for any umask. On an error there is no file. Errors name the item's leaf and the call; `sys` is EEXIST if
// the name is taken. Returns the descriptor so that the caller can fsync later.
Result<Fd> create_file(const Place& place, int directory, const std::string& name, const Item& item,
                       const Ownership& ownership);

// fsync of a file made by create_file(); nothing on a memory file system.
Result<void> sync_file(const Place& place, const Item& item, int fd);

// Writes all of `content` at the descriptor's position. Returns 0 or errno.
[[nodiscard]] int write_all(int fd, std::span<const std::byte> content);

// chmod of a file that may be open with O_PATH only. Returns 0 or errno.
[[nodiscard]] int change_mode(int fd, mode_t mode);

// Whether the file behind `fd` (regular, readable) has exactly this content. The bytes read are zeroed.
[[nodiscard]] bool holds(int fd, std::span<const std::byte> content);
// The same for a name, which is opened without following a symlink.
[[nodiscard]] bool holds(int directory, const std::string& name, std::span<const std::byte> content);

}  // namespace spiffe::output
