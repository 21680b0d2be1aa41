// The dates of a token's claims: NumericDate of RFC 7519, section 2. Pure.
#pragma once

#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.hh"
#include "base/result.hh"

namespace spiffe::identity {

// The date in the claim `name`, nullopt if the claim is absent; `claims` must be an object. Seconds may have
// a fraction. An error (kind verification) if it is not a number or lies outside the years 1 to 9999, which
// RFC 3339 can express: parsers that convert such a number to an integer disagree about the result. A date
// before 1970 becomes 1970-01-01T00:00:00Z, and one that WallTime cannot hold becomes WallTime::max().
[[nodiscard]] Result<std::optional<WallTime>> numeric_date(const nlohmann::json& claims, const char* name);

}  // namespace spiffe::identity
