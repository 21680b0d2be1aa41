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

// If the process was started with 0, 1 or 2 closed, no file or socket of ours may get that descriptor, since
// log lines would go into it. Opened read-only, so that a command whose output cannot be delivered fails, as
// it does on a full disk. Runs before the initialisers of libraries, because one of them opens an eventfd.
[[gnu::constructor(101)]] void occupy_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd >= 0) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  // Before any library can start a thread or read its own configuration.
  const spiffe::FoundSignals found_signals = spiffe::block_signals();
  spiffe::give_last_words();
  spiffe::use_one_heap();
  spiffe::init_openssl();
  try {
    return spiffe::cli::main({argv + (argc > 0 ? 1 : 0), argv + argc}, found_signals);
  } catch (const std::exception& e) {
    // Most likely out of memory. A supervisor sees the exit code and restarts the helper.
    std::fprintf(stderr, "error: unexpected: %s\n", e.what());
  } catch (...) {
    std::fputs("error: unexpected\n", stderr);
  }
  return 1;
}
