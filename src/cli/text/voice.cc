#include "cli/text/voice.hh"

#include <cstdio>

#include "cli/text/exit.hh"

namespace spiffe::cli {

std::string spoken(const Error& error) {
  std::string out = "error: " + error.message + "\n";
  if (!error.hint.empty()) out += "hint: " + error.hint + "\n";
  for (const Error& each : error.also) out += spoken(each);
  return out;
}

void say(const Error& error) {
  std::fputs(spoken(error).c_str(), stderr);
}

int report(const Error& error) {
  say(error);
  return exit_code(error.kind);
}

}  // namespace spiffe::cli
