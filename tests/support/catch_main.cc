#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "base/openssl.hh"

int main(int argc, char** argv) {
  spiffe::init_openssl();
  return Catch::Session().run(argc, argv);
}
