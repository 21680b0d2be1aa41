// The heap of our programs gives no block back without zeroing it.
//
// Keys and tokens pass through code that is not ours: gRPC's buffers, protobuf's strings, OpenSSL's numbers.
// All of it ends in free(). glibc's own M_PERTURB is no answer: it leaves out the blocks that go to the cache
// of a thread, which are nearly all. So the programs are linked with --wrap=free and --wrap=realloc
// (cmake/SpiffeFlags.cmake), which is why the functions have these names. Not in sanitized programs, whose
// own heap stands there.
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
  // The block seems to be dead: without this the compiler may leave memset out.
  asm volatile("" : : "r"(block) : "memory");
}

}  // namespace

void __wrap_free(void* block) {
  if (block == nullptr) return;
  zero(block, ::malloc_usable_size(block));
  __real_free(block);
}

// glibc's would leave a copy where the block moves, and its end where it shrinks.
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
