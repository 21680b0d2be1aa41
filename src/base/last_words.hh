// Ends of the process that nobody has planned: a line of error and exit code 1, and never a hang.
#pragma once

#include <chrono>
#include <string_view>

namespace spiffe {

// From now on abort() writes a line on stderr and ends the process with exit code 1, as every error does,
// instead of by a signal and without a word. gRPC and libevent call it where the system refuses them what
// they need. A child of ours gets its SIGTERM by our death (LaunchOptions::die_with_parent). Main thread,
// before any other.
void give_last_words();
// Lets abort() kill the process again: for its core dump.
void let_abort_dump();
// What a library said last, which is why it aborts. Kept for that line. Any thread.
void note_last_words(std::string_view text);

// The process ends by _exit(`code`) `patience` from now, whatever hangs then. For the very end: nothing that
// must still be done may depend on it. Main thread.
void leave_within(std::chrono::milliseconds patience, int code);

}  // namespace spiffe
