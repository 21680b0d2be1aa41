// Any bytes as a configuration document: read as HCL (or JSON), as TOML, then bound and validated.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bind_input.hh"

using namespace spiffe::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz::read_and_bind(input, Format::hcl);
  fuzz::read_and_bind(input, Format::toml);
  return 0;
}
