// What the configuration chooses about the child. Plain values: src/config has them as they stand.
#pragma once

namespace spiffe::process {

// Whether a child that has ended by itself is started again.
enum class Restart { never, on_failure, always };

// What a rotation means for a running child.
enum class OnRotate { signal, restart, none };

}  // namespace spiffe::process
