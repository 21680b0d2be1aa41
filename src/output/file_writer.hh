// Writing and comparing single files.
#pragma once

#include <span>
#include <string>

#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"
#include "output/leaf.hh"
#include "output/place.hh"

namespace spiffe::output {

// Creates `name` in `directory` (the place or a generation of it) with the item's content, owner and mode;
// the umask plays no part. The file is new and whole, or not there. Errors name the item's leaf and the call;
// sys is EEXIST where the name was taken. The descriptor is returned so that the caller can fsync later.
Result<Fd> create_file(const Place& place, int directory, const std::string& name, const Item& item,
                       const Ownership& ownership);

// fsync of a file that create_file() made; nothing on memory.
Result<void> sync_file(const Place& place, const Item& item, int fd);

// All of `content` at the descriptor's position. 0 or errno.
[[nodiscard]] int write_all(int fd, std::span<const std::byte> content);

// chmod of a file that may be open for nothing else (O_PATH). 0 or errno.
[[nodiscard]] int change_mode(int fd, mode_t mode);

// Whether the file behind `fd` (regular, readable) holds exactly this. What was read is cleansed.
[[nodiscard]] bool holds(int fd, std::span<const std::byte> content);
// The same for a name that is opened without following a symlink.
[[nodiscard]] bool holds(int directory, const std::string& name, std::span<const std::byte> content);

}  // namespace spiffe::output
