#include <cstdio>
#include <exception>

#include "base/memory.hh"
#include "base/openssl.hh"
#include "base/signals.hh"
#include "cli/app.hh"

int main(int argc, char** argv) {
  // Before any library may start a thread or read a configuration of its own.
  const sigset_t original_mask = spiffe::block_signals();
  spiffe::use_one_heap();
  spiffe::init_openssl();
  try {
    return spiffe::cli::main({argv + (argc > 0 ? 1 : 0), argv + argc}, original_mask);
  } catch (const std::exception& e) {
    // Out of memory, most likely: a supervisor above us sees the code and starts us again.
    std::fprintf(stderr, "error: unexpected: %s\n", e.what());
  } catch (...) {
    std::fputs("error: unexpected\n", stderr);
  }
  return 1;
}
