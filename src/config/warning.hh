#pragma once

#include <string>
#include <vector>

namespace spiffe::config {

// A message for the user that is not an error.
struct Warning {
  std::string message;
  std::string at;         // "helper.conf:3:1", "SPIFFE_HLP_PORT", "-timeout"; "" if there is no single place
  std::string hint = {};  // what to do about it, "" if the message contains it
};

// The hint for a file that uses an old form.
inline constexpr const char* kConvertHint =
    "spiffe-helper config convert writes the keys with the names of today";

// Logs each of them as one line.
void log_all(const std::vector<Warning>& warnings);

}  // namespace spiffe::config
