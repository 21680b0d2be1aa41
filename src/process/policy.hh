// Settings for the child. Plain values, which src/config stores as they are.
#pragma once

namespace spiffe::process {

// Whether a child that ended by itself is started again.
enum class Restart { never, on_failure, always };

// What a rotation does to a running child.
enum class OnRotate { signal, restart, none };

}  // namespace spiffe::process
