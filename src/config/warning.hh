#pragma once

#include <string>
#include <vector>

namespace spiffe::config {

// Something to tell the user that is not an error.
struct Warning {
  std::string message;
  std::string at;         // "helper.conf:3:1", "SPIFFE_HLP_PORT", "-timeout"; "" where no one place is meant
  std::string hint = {};  // what to do about it, "" where the message says it
};

// The hint where a file says something in the way of an earlier time.
inline constexpr const char* kConvertHint =
    "spiffe-helper config convert writes the keys with the names of today";

// Each as a line of the log.
void log_all(const std::vector<Warning>& warnings);

}  // namespace spiffe::config
