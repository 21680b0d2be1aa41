#include "cli/text/cat.hh"

namespace spiffe::cli {

std::string cat(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

}  // namespace spiffe::cli
