// This program is linked with the heap of our programs: realloc() is ours and must conform to the standard.
#include <cstdlib>
#include <cstring>
#include <string>

#include <malloc.h>

#include "support/catch.hh"

TEST_CASE("a block that grows or shrinks keeps its content") {
  for (const std::size_t from : {1U, 24U, 100U, 5'000U, 300'000U}) {
    for (const std::size_t to : {1U, 23U, 25U, 60U, 4'000U, 1'000'000U}) {
      CAPTURE(from, to);
      auto* block = static_cast<char*>(std::malloc(from));
      REQUIRE(block != nullptr);
      std::memset(block, 'x', from);
      block = static_cast<char*>(std::realloc(block, to));
      REQUIRE(block != nullptr);
      CHECK(::malloc_usable_size(block) >= to);
      const std::size_t kept = from < to ? from : to;
      CHECK(std::string(block, kept) == std::string(kept, 'x'));
      std::memset(block, 'y', to);
      std::free(block);
    }
  }
}

TEST_CASE("the end of a block that shrinks in place is zeroed") {
  constexpr std::size_t kBefore = 1000;
  constexpr std::size_t kAfter = 900;
  auto* block = static_cast<char*>(std::malloc(kBefore));
  REQUIRE(block != nullptr);
  std::memset(block, 'x', kBefore);
  auto* shrunk = static_cast<char*>(std::realloc(block, kAfter));
  REQUIRE(shrunk != nullptr);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const std::size_t usable = ::malloc_usable_size(shrunk);
  REQUIRE(usable >= kBefore);
  CHECK(std::string(shrunk + kAfter, usable - kAfter) == std::string(usable - kAfter, '\0'));
#endif
  std::free(shrunk);
}

TEST_CASE("realloc of nothing allocates, and free of nothing does nothing") {
  void* block = std::realloc(nullptr, 10);
  REQUIRE(block != nullptr);
  std::free(block);
  std::free(nullptr);
}
