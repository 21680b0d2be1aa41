// Names of output files. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::output {

// The name of an output in the publisher's form: joined with `cert_dir` as Go's path.Join does it, then made
// relative to it again. "a//./b" becomes "a/b", and "/etc/x" becomes "etc/x"; an absolute name stays absolute
// only if cert_dir is empty (the working directory). An error of kind config if the name is empty, leaves
// cert_dir, names a directory, or has a control character or a component that begins with ".." (reserved for
// the publisher). The last component "*" means all names in a directory (bundle_dir and similar).
Result<std::string> clean_name(std::string_view cert_dir, std::string_view name);

// "a/b/c" -> {"a/b", "c"}; "c" -> {"", "c"}; "/c" -> {"/", "c"}.
struct SplitName {
  std::string_view directory;
  std::string_view leaf;
};
[[nodiscard]] SplitName split_name(std::string_view clean);

}  // namespace spiffe::output
