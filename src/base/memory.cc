#include "base/memory.hh"

#include <cstdint>

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

// Set by the linker: the limits of the program's text.
extern "C" const char __executable_start;  // NOLINT(bugprone-reserved-identifier)
extern "C" const char etext;

namespace spiffe {

void use_one_heap() {
  ::mallopt(M_ARENA_MAX, 1);
}

void release_start_memory() {
  ::malloc_trim(0);
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto page_of = [page](const char& byte) {
    const auto address = reinterpret_cast<std::uintptr_t>(&byte);
    return address - address % page;
  };
  const std::uintptr_t begin = page_of(__executable_start);
  // The text is read-only and backed by the file, so nothing can be lost. A failure costs only some memory.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): there is no object to point to
  (void)::madvise(reinterpret_cast<void*>(begin), page_of(etext) - begin, MADV_DONTNEED);
}

}  // namespace spiffe
