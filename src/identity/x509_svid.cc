#include "identity/x509_svid.hh"

#include <algorithm>
#include <cstdint>

#include <openssl/err.h>

#include "base/text.hh"
#include "identity/private_key.hh"
#include "identity/refusal.hh"
#include "identity/rsa_size.hh"

namespace spiffe::identity {

namespace {

using NamesPtr = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

// The URI SANs with all their bytes, so that an embedded NUL does not hide the rest.
Result<std::vector<std::string>> uri_sans(const X509* certificate) {
  int critical = 0;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  ERR_clear_error();
  if (!names && critical == -2) return refuse("has more than one subjectAltName extension");
  if (!names && critical != -1) return refuse("has a malformed subjectAltName");
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type != GEN_URI) continue;
    const auto* text = static_cast<const ASN1_STRING*>(value);
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return uris;
}

// X509-SVID, sections 4.1, 4.3 and 4.4. An incomplete extended key usage is only a warning, since the
// certificate works in the other role.
Result<void> check_leaf_usage(X509* leaf, std::vector<std::string>& warnings) {
  const std::uint32_t flags = X509_get_extension_flags(leaf);
  if ((flags & EXFLAG_INVALID) != 0) return refuse("has a malformed extension");
  if ((flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0) return refuse("is a CA certificate");
  if ((flags & EXFLAG_KUSAGE) == 0) return refuse("has no keyUsage");
  const std::uint32_t usage = X509_get_key_usage(leaf);
  if ((usage & KU_KEY_CERT_SIGN) != 0) return refuse("has keyUsage keyCertSign");
  if ((usage & KU_CRL_SIGN) != 0) return refuse("has keyUsage cRLSign");
  if ((usage & KU_DIGITAL_SIGNATURE) == 0) return refuse("has a keyUsage without digitalSignature");
  const std::uint32_t extended = X509_get_extended_key_usage(leaf);
  if ((flags & EXFLAG_XKUSAGE) == 0 || (extended & XKU_ANYEKU) != 0) return {};
  if ((extended & XKU_SSL_SERVER) == 0) {
    warnings.emplace_back("the leaf's extended key usage lacks serverAuth: TLS clients will refuse it");
  }
  if ((extended & XKU_SSL_CLIENT) == 0) {
    warnings.emplace_back("the leaf's extended key usage lacks clientAuth: TLS servers will refuse it");
  }
  return {};
}

// X509-SVID, sections 3.2, 4.1 and 4.3.
Result<void> check_intermediate(X509* certificate) {
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_INVALID) != 0) return refuse("has a malformed extension");
  if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_CA) == 0) return refuse("is not a CA certificate");
  if ((flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) {
    return refuse("lacks keyUsage keyCertSign");
  }
  const auto uris = uri_sans(certificate);
  if (!uris) return fail(uris.error());
  for (const std::string& uri : *uris) {
    // The standard restricts only SPIFFE IDs; an intermediate may have other URIs.
    if (!lower(uri).starts_with("spiffe:")) continue;
    const auto id = SpiffeId::parse(uri);
    if (!id) return fail(context("URI SAN", id.error()));
    if (!id->path().empty()) return refuse("its SPIFFE ID " + quote(id->str()) + " has a path");
  }
  return {};
}

Result<void> check_intermediates(const std::vector<Certificate>& chain) {
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (auto checked = check_intermediate(chain[i].x509_without_key()); !checked) {
      return fail(context("intermediate certificate " + std::to_string(i), std::move(checked).error()));
    }
  }
  return {};
}

// The agent's spiffe_id selects what is published, so it must be the identity that the leaf proves.
Result<void> check_leaf_id(const Certificate& leaf, const SpiffeId& expected) {
  const auto id = leaf_id(leaf);
  if (!id) return fail(id.error());
  if (*id == expected) return {};
  return refuse("its SPIFFE ID is " + quote(id->str()) + ", but spiffe_id says " + quote(expected.str()));
}

}  // namespace

// X509-SVID, sections 2 and 3.1.
Result<SpiffeId> leaf_id(const Certificate& leaf) {
  const auto uris = uri_sans(leaf.x509_without_key());
  if (!uris) return fail(uris.error());
  if (uris->empty()) return refuse("has no URI SAN");
  if (uris->size() > 1) return refuse("has " + std::to_string(uris->size()) + " URI SANs, not one");
  auto id = SpiffeId::parse(uris->front());
  if (!id) return fail(context("URI SAN", id.error()));
  if (id->path().empty()) return refuse("its SPIFFE ID " + quote(id->str()) + " has no path");
  return id;
}

Result<X509Svid> X509Svid::split(const X509SvidMaterial& material, std::span<const Certificate> known) {
  auto id = SpiffeId::parse(material.spiffe_id);
  if (!id) return fail(context("spiffe_id", std::move(id).error()));
  auto chain = Certificate::split_concatenated(material.certificates, known);
  if (!chain) return fail(context("x509_svid", std::move(chain).error()));
  if (chain->empty()) return refuse("x509_svid holds no certificate");
  return X509Svid{*std::move(id), *std::move(chain), material.key.clone(), material.hint};
}

Result<void> X509Svid::check(std::vector<std::string>& warnings) const {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    auto readable = chain[i].readable();
    if (readable) continue;
    return fail(context("x509_svid: certificate " + std::to_string(i + 1), std::move(readable).error()));
  }
  const auto of_leaf = [](Error error) { return fail(context("leaf certificate", std::move(error))); };
  if (auto checked = check_leaf_id(leaf(), id); !checked) return of_leaf(std::move(checked).error());
  if (auto checked = check_leaf_usage(leaf().x509_without_key(), warnings); !checked) {
    return of_leaf(std::move(checked).error());
  }
  if (auto checked = check_intermediates(chain); !checked) return checked;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (!has_weak_rsa_key(chain[i])) continue;
    const std::string name =
        i == 0 ? "the leaf certificate" : "intermediate certificate " + std::to_string(i);
    warnings.push_back(weak_rsa_warning(chain[i], name));
  }
  return {};
}

Result<X509Svid> X509Svid::read(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                                std::span<const Certificate> known) {
  auto svid = split(material, known);
  if (!svid) return svid;
  if (auto checked = svid->check(warnings); !checked) return fail(std::move(checked).error());
  return svid;
}

WallTime X509Svid::not_after() const {
  WallTime earliest = leaf().not_after();
  for (const Certificate& each : chain) {
    if (each.not_after() > leaf().not_before()) earliest = std::min(earliest, each.not_after());
  }
  return earliest;
}

Result<void> X509Svid::check_key() const {
  auto checked = check_private_key(key.bytes(), leaf().x509_without_key());
  if (!checked) return fail(context("x509_svid_key", std::move(checked).error()));
  return {};
}

Result<X509Svid> X509Svid::parse(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                                 std::span<const Certificate> known) {
  auto svid = read(material, warnings, known);
  if (!svid) return svid;
  if (auto checked = svid->check_key(); !checked) return fail(std::move(checked).error());
  return svid;
}

}  // namespace spiffe::identity
