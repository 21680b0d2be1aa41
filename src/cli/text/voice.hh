// Errors for people: "error: …", then "hint: …", on stderr.
#pragma once

#include <string>

#include "base/result.hh"

namespace spiffe::cli {

// "error: <message>\n" and, if there is one, "hint: <hint>\n"; the same for each further error.
[[nodiscard]] std::string spoken(const Error& error);

// Writes spoken(error) to stderr.
void say(const Error& error);

// Writes it and returns the exit code for its kind: the last step of a command.
int report(const Error& error);

}  // namespace spiffe::cli
