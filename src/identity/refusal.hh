// The words in which this folder refuses what an agent or a file holds.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"
#include "base/text.hh"

namespace spiffe::identity {

// An error of the kind `verification`.
[[nodiscard]] inline std::unexpected<Error> refuse(std::string message, std::string hint = {}) {
  return fail(ErrorKind::verification, std::move(message), std::move(hint));
}

// A value in a message: quoted, its first 120 bytes.
[[nodiscard]] inline std::string shown(std::string_view text) {
  return quote(text, 120);
}

// A name of an SVID or a trust domain as it was sent, for a log: escaped, its first 200 bytes.
[[nodiscard]] inline std::string sent_name(std::string_view text) {
  return escape(text, 200);
}

}  // namespace spiffe::identity
