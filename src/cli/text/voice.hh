// How the program speaks to a person: "error: …", then "hint: …", on stderr.
#pragma once

#include <string>

#include "base/result.hh"

namespace spiffe::cli {

// "error: <message>\n" and, where there is one, "hint: <hint>\n"; the same of each further error.
[[nodiscard]] std::string spoken(const Error& error);

// Writes spoken(error) to stderr.
void say(const Error& error);

// Says it and returns the exit code for its kind: the end of a command.
int report(const Error& error);

}  // namespace spiffe::cli
