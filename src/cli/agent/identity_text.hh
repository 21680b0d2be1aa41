// Identities as text and as JSON, for fetch and watch. Pure; never a private key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "cli/agent/x509_view.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"
#include "identity/jwt_bundles.hh"

namespace spiffe::cli {

// "2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z, 59m40s left".
[[nodiscard]] std::string validity(const identity::Certificate& certificate, WallTime now);
// "CN=Test CA, O=SPIFFE, 1d left".
[[nodiscard]] std::string in_short(const identity::Certificate& certificate, WallTime now);
// Adds rows: its serial number under `label`, the fingerprint, and DNS names if there are any.
void add_identifiers(TextTable& rows, std::string_view label, const identity::Certificate& certificate);
// Its serial number; "none" if it has none.
[[nodiscard]] std::string serial_of(const identity::Certificate& certificate);

// A block for each SVID, followed by the bundles.
[[nodiscard]] std::string text_of(const X509View& view, WallTime now, const Terminal& terminal);
// A block for each trust domain, which may lack either kind of authority.
[[nodiscard]] std::string text_of(const X509View& view, const identity::JwtBundles& jwt, WallTime now,
                                  const Terminal& terminal);

// docs/json.md describes the formats.
[[nodiscard]] Json json_of(const identity::Certificate& certificate, WallTime now);
[[nodiscard]] Json json_of(const std::vector<identity::Certificate>& certificates, WallTime now);
[[nodiscard]] Json json_of(const SvidView& svid, WallTime now);
[[nodiscard]] Json json_of(const X509View& view, WallTime now);
[[nodiscard]] Json json_of(const X509View& view, const identity::JwtBundles& jwt, WallTime now);
// The rows with one more at the end; only that one is in `colour`.
[[nodiscard]] std::string with_last_row(TextTable rows, std::string_view label, std::string_view value,
                                        Colour colour, const Terminal& terminal);

}  // namespace spiffe::cli
