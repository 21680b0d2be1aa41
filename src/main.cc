#include <cstdio>
#include <exception>

#include <fcntl.h>
#include <unistd.h>

#include "base/last_words.hh"
#include "base/memory.hh"
#include "base/openssl.hh"
#include "base/signals.hh"
#include "cli/app.hh"

namespace {

// Whoever closed 0, 1 or 2: no file or socket of ours may take their place, for log lines would go into it.
// To be read only, so that a command whose output nobody gets fails as it does on a full disk. Runs before
// the initialisers of libraries: one of them opens an eventfd.
[[gnu::constructor(101)]] void occupy_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd >= 0) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  // Before any library may start a thread or read a configuration of its own.
  const spiffe::FoundSignals found_signals = spiffe::block_signals();
  spiffe::give_last_words();
  spiffe::use_one_heap();
  spiffe::init_openssl();
  try {
    return spiffe::cli::main({argv + (argc > 0 ? 1 : 0), argv + argc}, found_signals);
  } catch (const std::exception& e) {
    // Out of memory, most likely: a supervisor above us sees the code and starts us again.
    std::fprintf(stderr, "error: unexpected: %s\n", e.what());
  } catch (...) {
    std::fputs("error: unexpected\n", stderr);
  }
  return 1;
}
