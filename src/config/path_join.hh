// Paths as Go's package path has them. std::filesystem's operator/ differs: an absolute right side wins
// there, and is joined below the left side here.
#pragma once

#include <string>
#include <string_view>

namespace spiffe::config {

// The shortest name of the same path, by spelling alone: no "//", ".", inner ".." or final "/". "" is ".".
[[nodiscard]] std::string clean_path(std::string_view path);

// The two joined and cleaned; an empty one is left out, and two of them give "".
// join_path("/certs", "/etc/x") is "/certs/etc/x".
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

// Whether `name`, joined to a directory, would lead out of it, or be the directory itself.
[[nodiscard]] bool leaves_directory(std::string_view name);

}  // namespace spiffe::config
