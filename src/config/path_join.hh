// Go's package path. With std::filesystem's operator/ an absolute right side replaces the left side; here it
// is joined below it.
#pragma once

#include <string>
#include <string_view>

namespace spiffe::config {

// The shortest equivalent path, by spelling only: no "//", ".", inner ".." or final "/". "" becomes ".".
[[nodiscard]] std::string clean_path(std::string_view path);

// Joins and cleans. An empty part is skipped, and two of them give "". join_path("/certs", "/etc/x") is
// "/certs/etc/x".
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

// Whether `name`, joined to a directory, would be outside of it, or be the directory itself.
[[nodiscard]] bool leaves_directory(std::string_view name);

}  // namespace spiffe::config
