// JSON strings byte for byte as Go programs write them, for what people compare with the Go helper.
#pragma once

#include <string>
#include <string_view>

namespace spiffe {

// go-jose has an old copy of encoding/json, which knows no short form of \b and \f.
enum class GoJson { standard, jose };

// Appends `text` in quotes. Beyond what JSON asks for <, >, & and two line separators come out escaped;
// invalid UTF-8 becomes U+FFFD, byte by byte.
void append_go_json(std::string& out, std::string_view text, GoJson encoder = GoJson::standard);

}  // namespace spiffe
