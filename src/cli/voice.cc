#include "cli/voice.hh"

#include <cstdio>

namespace spiffe::cli {

std::string spoken(const Error& error) {
  std::string out = "error: " + error.message + "\n";
  if (!error.hint.empty()) out += "hint: " + error.hint + "\n";
  return out;
}

void say(const Error& error) {
  std::fputs(spoken(error).c_str(), stderr);
}

}  // namespace spiffe::cli
