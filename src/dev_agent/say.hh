// Prints lines to stdout.
#pragma once

#include <string_view>

namespace spiffe::dev_agent {

// Prints one line, with one write.
void say(std::string_view line);

}  // namespace spiffe::dev_agent
