// JSON strings, byte for byte as Go programs write them, for output that is compared with the Go helper's.
#pragma once

#include <string>
#include <string_view>

namespace spiffe {

// go-jose contains an old copy of encoding/json, which does not use the short forms \b and \f.
enum class GoJson { standard, jose };

// Appends `text` in quotes. In addition to what JSON requires, <, >, & and the two Unicode line separators
// are escaped. Each byte of invalid UTF-8 becomes U+FFFD.
void append_go_json(std::string& out, std::string_view text, GoJson encoder = GoJson::standard);

}  // namespace spiffe
