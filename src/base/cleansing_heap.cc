// Makes our programs zero every block of the heap before it is freed.
//
// Keys and tokens pass through code that is not ours: gRPC's buffers, protobuf's strings, OpenSSL's numbers.
// All of them end in free(). glibc's M_PERTURB does not help: it skips the blocks that go to a thread's
// cache, which are nearly all. The programs are therefore linked with --wrap=free and --wrap=realloc
// (cmake/SpiffeFlags.cmake), which determines the names of these functions. Not used in sanitized programs,
// which have the sanitizer's heap.
#include <cstddef>
#include <cstring>

#include <malloc.h>

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names.
void __real_free(void* block);
void __wrap_free(void* block);
void* __wrap_realloc(void* block, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"

namespace {

void zero(void* block, std::size_t size) {
  std::memset(block, 0, size);
  // The block looks unused from here on: without this, the compiler may remove the memset.
  asm volatile("" : : "r"(block) : "memory");
}

}  // namespace

void __wrap_free(void* block) {
  if (block == nullptr) return;
  zero(block, ::malloc_usable_size(block));
  __real_free(block);
}

// glibc's realloc leaves a copy behind if the block moves, and its tail if the block shrinks.
void* __wrap_realloc(void* block, std::size_t size) {
  if (block == nullptr) return ::malloc(size);
  if (size == 0) {
    __wrap_free(block);
    return nullptr;
  }
  const std::size_t usable = ::malloc_usable_size(block);
  if (size <= usable && size >= usable / 2) {
    zero(static_cast<char*>(block) + size, usable - size);
    return block;
  }
  void* moved = ::malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, size < usable ? size : usable);
  __wrap_free(block);
  return moved;
}
