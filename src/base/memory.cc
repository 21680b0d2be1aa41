#include "base/memory.hh"

#include <cstdint>

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

// Set by the linker: where the program's own text lies.
extern "C" const char __executable_start;  // NOLINT(bugprone-reserved-identifier)
extern "C" const char etext;

namespace spiffe {

void use_one_heap() {
  ::mallopt(M_ARENA_MAX, 1);
}

void release_start_memory() {
  ::malloc_trim(0);
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(&__executable_start) & ~(page - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(&etext) & ~(page - 1);
  // Read-only and backed by the file: nothing can be lost. Without it nothing but the figure is worse.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin,
                  MADV_DONTNEED);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace spiffe
