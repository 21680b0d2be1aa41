// Unplanned ends of the process: they print one line of error, give exit code 1 and never hang.
#pragma once

#include <chrono>
#include <string_view>

namespace spiffe {

// From now on abort() writes a line on stderr and ends the process with exit code 1, like every other error,
// instead of dying silently by a signal. gRPC and libevent call abort() if the system refuses a resource. A
// child of ours gets SIGTERM when this process dies (LaunchOptions::die_with_parent). Main thread, before any
// other thread exists.
void give_last_words();
// Lets abort() kill the process again, so that it dumps core.
void let_abort_dump();
// Keeps the last message of a library, which is the reason for its abort(), for the line above. Any thread.
void note_last_words(std::string_view text);

// Ends the process by _exit(`code`) after `patience`, even if something hangs. Only for the very end: no work
// that still has to be done may depend on it. Main thread.
void leave_within(std::chrono::milliseconds patience, int code);

}  // namespace spiffe
