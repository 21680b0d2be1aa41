// Names of output files. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::output {

// The name of an output as the publisher wants it: joined below `cert_dir` as Go's path.Join does it and then
// taken relative to it again. "a//./b" is "a/b", "/etc/x" is "etc/x"; only where cert_dir is empty (the
// working directory) an absolute name stays absolute. A name that is empty, leaves cert_dir, names a
// directory, has a control character, or a component that begins with ".." (those are the publisher's own) is
// an error of kind config. The last component "*" stands for all names of a directory (bundle_dir and its
// like).
Result<std::string> clean_name(std::string_view cert_dir, std::string_view name);

// "a/b/c" -> {"a/b", "c"}; "c" -> {"", "c"}; "/c" -> {"/", "c"}.
struct SplitName {
  std::string_view directory;
  std::string_view leaf;
};
[[nodiscard]] SplitName split_name(std::string_view clean);

}  // namespace spiffe::output
