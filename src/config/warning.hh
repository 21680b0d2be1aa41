#pragma once

#include <string>

namespace spiffe::config {

// Something to tell the user that is no error.
struct Warning {
  std::string message;
  std::string at;  // "helper.conf:3:1", "SPIFFE_HLP_PORT", "-timeout"; "" where no one place is meant
};

}  // namespace spiffe::config
