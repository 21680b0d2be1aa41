// Lines for people on stdout.
#pragma once

#include <string_view>

namespace spiffe::dev_agent {

// One line, whole and at once.
void say(std::string_view line);

}  // namespace spiffe::dev_agent
