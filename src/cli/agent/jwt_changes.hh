// The differences between two messages of FetchJWTBundles. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"
#include "identity/jwt_bundles.hh"

namespace spiffe::cli {

struct JwtChange {
  std::string domain;
  bool before = false;  // the earlier message has its bundle
  bool after = false;   // the later one has it
  std::vector<identity::JwtAuthority> added;
  std::vector<identity::JwtAuthority> removed;
};
using JwtChanges = std::vector<JwtChange>;  // by the name of the trust domain

[[nodiscard]] JwtChanges compare(const identity::JwtBundles& before, const identity::JwtBundles& after);

// Lines like those of X.509: + for added, - for removed, ~ for changed.
[[nodiscard]] std::string text_of(const JwtChanges& changes, const Terminal& terminal);
[[nodiscard]] Json json_of(const JwtChanges& changes);
// All bundles with their keys.
[[nodiscard]] Json json_of(const identity::JwtBundles& bundles);

}  // namespace spiffe::cli
