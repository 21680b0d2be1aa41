// Certificates and keys as text and as JSON. Pure. All text from them is escaped.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"
#include "identity/certificate.hh"

namespace spiffe::cli {

// "EC P-256", "RSA 2048", "Ed25519"; "unknown" for null.
[[nodiscard]] std::string key_name(const EVP_PKEY* key);

// Its DNS names, at most a hundred.
[[nodiscard]] std::vector<std::string> dns_names_of(const identity::Certificate& certificate);

// Whether it may sign certificates, by its basicConstraints.
[[nodiscard]] bool is_authority(const identity::Certificate& certificate);

// Adds rows of label and value: SPIFFE ID, validity, key, names, uses.
void certificate_rows(TextTable& rows, const identity::Certificate& certificate, WallTime now);
// "CN=Test CA, EC P-256, until 2026-01-03T03:04:05Z, 1d left".
[[nodiscard]] std::string certificate_line(const identity::Certificate& certificate, WallTime now);
// subject, issuer, serial, not_before, not_after, remaining_seconds, key, signature, authority, uris, dns,
// other_names, key_usage, extended_key_usage, sha256.
[[nodiscard]] Json certificate_json(const identity::Certificate& certificate, WallTime now);

}  // namespace spiffe::cli
