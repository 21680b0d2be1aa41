// The parts of explain() for JWK Sets, maps of them, and tokens. Pure.
#pragma once

#include <string_view>

#include "cli/files/explain.hh"
#include "cli/files/token_text.hh"

namespace spiffe::cli {

[[nodiscard]] Result<Explained> explain_json(std::string_view text, std::size_t width, WallTime now);

// Adds rows and JSON.
void describe_token(Explained& out, const Token& token, WallTime now);

}  // namespace spiffe::cli
