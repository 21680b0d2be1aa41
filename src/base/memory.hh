// Keeping the process small.
#pragma once

namespace spiffe {

// One heap for all threads: the few that a library starts would each keep one of their own, mostly empty.
// Before the first thread.
void use_one_heap();

// Gives back what only the start needed: free memory of the heap, and the mappings of program text that has
// run once (it stays in the page cache; what is needed again is mapped again). Some tens of microseconds; any
// thread.
void release_start_memory();

}  // namespace spiffe
