// Reads HCL 1 as the Go helper does: attributes with '=', blocks, objects, lists, comments, heredocs.
#pragma once

#include <string>
#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// The error (kind config) names source, line and column. `text` may have CRLF line ends.
[[nodiscard]] Result<Document> parse_hcl(std::string_view text, std::string source);

}  // namespace spiffe::config
