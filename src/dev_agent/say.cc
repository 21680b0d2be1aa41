#include "dev_agent/say.hh"

#include <string>

#include <unistd.h>

namespace spiffe::dev_agent {

void say(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  // The reader may have gone.
  static_cast<void>(::write(STDOUT_FILENO, text.data(), text.size()) < 0);
}

}  // namespace spiffe::dev_agent
