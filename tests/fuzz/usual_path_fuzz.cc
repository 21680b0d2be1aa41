// Any bytes as certificates and paths of them: if is_usual_path() accepts a path, X509_verify_cert must
// accept it, too.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/openssl.hh"
#include "support/paths.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static spiffe::test::PathTally tally;
  spiffe::test::compare_paths(std::span(data, size), tally);
  if (tally.counterexample.empty()) return 0;
  std::fprintf(stderr, "OpenSSL refuses this path:\n%s", tally.counterexample.c_str());
  std::abort();
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spiffe::init_openssl();
  return 0;
}
