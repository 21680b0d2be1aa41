// Reduces the memory of the process.
#pragma once

namespace spiffe {

// Makes all threads share one heap: otherwise each of the few threads that a library starts would have a heap
// of its own, mostly empty. Call it before the first thread starts.
void use_one_heap();

// Returns memory that only the start needed: free memory of the heap, and the mappings of program text that
// ran once. The text stays in the page cache and is mapped again when needed. Takes some tens of
// microseconds. Any thread.
void release_start_memory();

}  // namespace spiffe
