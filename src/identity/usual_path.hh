// Quickly accepts certificate chains of the usual shape (RFC 5280, section 6.1). Pure.
//
// X509_verify_cert decodes the leaf's public key, which is not needed here and costs more than all its other
// work. So chains of the usual shape are verified here, strictly; OpenSSL verifies all others, and all that
// fail here.
#pragma once

#include <vector>

#include "identity/certificate.hh"

namespace spiffe::identity {

// True if `chain` (leaf first) leads to `authority` and is valid at `at`. It must have only ECDSA or RSA
// (PKCS #1) signatures with SHA-2, subjects that all differ, and extensions that every implementation knows,
// except name constraints. X509_verify_cert with partial chains accepts such a chain, too. False does not
// mean that the chain is invalid.
[[nodiscard]] bool is_usual_path(const std::vector<Certificate>& chain, const Certificate& authority,
                                 WallTime at);

}  // namespace spiffe::identity
