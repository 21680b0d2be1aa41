#include "config/warning.hh"

#include "base/log.hh"

namespace spiffe::config {

void log_all(const std::vector<Warning>& warnings) {
  for (const Warning& warning : warnings) {
    log::Fields fields;
    if (!warning.at.empty()) fields.push_back({"at", warning.at});
    if (!warning.hint.empty()) fields.push_back({"hint", warning.hint});
    log::warning(warning.message, fields);
  }
}

}  // namespace spiffe::config
