// The quick way to say yes to a chain (RFC 5280, section 6.1) where it is as nearly all are. Pure.
//
// X509_verify_cert decodes the leaf's public key, which nobody needs here, and that costs more than
// everything else it does. So the paths of usual shape are judged here, strictly; all others, and all that
// are bad, are OpenSSL's to judge.
#pragma once

#include <vector>

#include "identity/certificate.hh"

namespace spiffe::identity {

// True: `chain` (leaf first) leads to `authority` and is good at `at`, for which it must have nothing but
// ECDSA or RSA (PKCS #1) signatures with SHA-2, subjects that all differ, and extensions that every
// implementation knows, name constraints not among them. X509_verify_cert with partial chains accepts it too.
// False says nothing.
[[nodiscard]] bool is_usual_path(const std::vector<Certificate>& chain, const Certificate& authority,
                                 WallTime at);

}  // namespace spiffe::identity
