// Prints the status in Prometheus' text exposition format, version 0.0.4. Pure.
#pragma once

#include <string>

#include "health/status.hh"

namespace spiffe::health {

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string metrics(const Status& status);

}  // namespace spiffe::health
