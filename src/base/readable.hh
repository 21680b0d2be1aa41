// Waits for a pipe or a device before the loop exists.
#pragma once

#include "base/result.hh"

namespace spiffe {

// Waits without a limit until `fd` has data or is at its end. SIGTERM, SIGINT, SIGQUIT and SIGHUP must be
// blocked; unless ignored, each of them ends the wait with an error that names it, and is consumed. A
// descriptor that never blocks, such as a regular file, is readable at once. Main thread.
[[nodiscard]] Result<void> wait_readable(int fd);

}  // namespace spiffe
