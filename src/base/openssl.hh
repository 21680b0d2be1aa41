// RAII for OpenSSL's types, and its error queue as text.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/secret.hh"

namespace spiffe {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

// Also frees the certificates, which the stack owns.
inline void free_x509_stack(STACK_OF(X509) * stack) {
  sk_X509_pop_free(stack, X509_free);
}

using X509Ptr = Owned<X509, X509_free>;
using X509StorePtr = Owned<X509_STORE, X509_STORE_free>;
using X509StoreCtxPtr = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;
using X509StackPtr = Owned<STACK_OF(X509), free_x509_stack>;
using PkeyPtr = Owned<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtxPtr = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Pkcs8Ptr = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using BioPtr = Owned<BIO, BIO_free_all>;

// Must be the first OpenSSL call of the process. Ignores openssl.cnf and OPENSSL_CONF (the file of a FIPS
// site makes SHA-256 "unsupported" in a static program) and installs no atexit handler.
void init_openssl();

// Empties this thread's OpenSSL error queue and returns the reason of its first entry, or "".
[[nodiscard]] std::string take_openssl_error();

using Sha256 = std::array<std::byte, 32>;
// Throws std::bad_alloc if OpenSSL has no memory.
[[nodiscard]] Sha256 sha256(std::span<const std::byte> bytes);

// Takes the result of an i2d_…() that allocated its own buffer; the buffer is cleansed and freed. Empty if
// i2d_…() failed.
[[nodiscard]] SecretBytes take_der(unsigned char* der, int size);

}  // namespace spiffe
