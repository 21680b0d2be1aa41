// Waiting for a pipe or a device before there is a loop.
#pragma once

#include "base/result.hh"

namespace spiffe {

// Returns when `fd` has something to read or is at its end, however long that takes. A signal that asks to
// end (TERM, INT, QUIT, HUP), blocked but not ignored, is an error that names it, and is taken. What is never
// waited for, such as a regular file, is readable at once. Main thread.
[[nodiscard]] Result<void> wait_readable(int fd);

}  // namespace spiffe
