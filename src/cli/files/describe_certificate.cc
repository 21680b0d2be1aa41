#include "cli/files/describe_certificate.hh"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/text.hh"
#include "cli/text/cat.hh"
#include "cli/text/lifetime.hh"
#include "cli/text/terminal.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;
using Strings = std::vector<std::string>;

constexpr std::size_t kMaxNames = 100;

std::string text_of(const ASN1_STRING* text) {
  return escape({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                 static_cast<std::size_t>(ASN1_STRING_length(text))},
                kMaxShown);
}

std::string address_of(const ASN1_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  const int size = ASN1_STRING_length(bytes);
  const int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16) return "?";
  ::inet_ntop(family, ASN1_STRING_get0_data(bytes), out.data(), out.size());
  return out.data();
}

struct Names {
  Strings uris;
  Strings dns;
  Strings other;  // "IP:192.0.2.1", "email:a@b"
};

Names names_of(const X509* certificate) {
  Names out;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  const int count = std::min(sk_GENERAL_NAME_num(names.get()), static_cast<int>(kMaxNames));
  for (int i = 0; i < count; ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    const auto* text = static_cast<const ASN1_STRING*>(value);
    if (type == GEN_URI) {
      out.uris.push_back(text_of(text));
    } else if (type == GEN_DNS) {
      out.dns.push_back(text_of(text));
    } else if (type == GEN_EMAIL) {
      out.other.push_back("email:" + text_of(text));
    } else if (type == GEN_IPADD) {
      out.other.push_back("IP:" + address_of(text));
    } else {
      out.other.emplace_back("another kind of name");
    }
  }
  return out;
}

struct Bit {
  std::uint32_t bit;
  const char* name;
};
constexpr std::array kUses = {Bit{KU_DIGITAL_SIGNATURE, "digitalSignature"},
                              Bit{KU_NON_REPUDIATION, "nonRepudiation"},
                              Bit{KU_KEY_ENCIPHERMENT, "keyEncipherment"},
                              Bit{KU_DATA_ENCIPHERMENT, "dataEncipherment"},
                              Bit{KU_KEY_AGREEMENT, "keyAgreement"},
                              Bit{KU_KEY_CERT_SIGN, "keyCertSign"},
                              Bit{KU_CRL_SIGN, "cRLSign"}};
constexpr std::array kPurposes = {Bit{XKU_SSL_SERVER, "serverAuth"}, Bit{XKU_SSL_CLIENT, "clientAuth"},
                                  Bit{XKU_CODE_SIGN, "codeSigning"}, Bit{XKU_SMIME, "emailProtection"},
                                  Bit{XKU_ANYEKU, "any"}};

Strings bits_of(std::uint32_t bits, std::span<const Bit> table) {
  Strings out;
  for (const Bit& each : table) {
    if ((bits & each.bit) != 0) out.emplace_back(each.name);
  }
  return out;
}

Strings uses_of(X509* certificate) {
  const bool any = (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0;
  return any ? bits_of(X509_get_key_usage(certificate), kUses) : Strings();
}

Strings purposes_of(X509* certificate) {
  const bool any = (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0;
  return any ? bits_of(X509_get_extended_key_usage(certificate), kPurposes) : Strings();
}

std::string joined(const Strings& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::string issuer_of(const X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_issuer_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? escape({text, static_cast<std::size_t>(size)}, kMaxShown) : std::string();
}

std::string key_of(const Certificate& certificate) {
  const X509* complete = certificate.x509();
  std::string name = key_name(complete != nullptr ? X509_get0_pubkey(complete) : nullptr);
  ERR_clear_error();
  return name;
}

}  // namespace

std::string key_name(const EVP_PKEY* key) {
  if (key == nullptr) return "unknown";
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_RSA) return "RSA " + std::to_string(EVP_PKEY_get_bits(key));
  if (kind == EVP_PKEY_RSA_PSS) return "RSA-PSS " + std::to_string(EVP_PKEY_get_bits(key));
  if (kind == EVP_PKEY_ED448) return "Ed448";
  if (kind == EVP_PKEY_ED25519) return "Ed25519";
  if (kind != EVP_PKEY_EC) return OBJ_nid2sn(kind);
  std::array<char, 80> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "EC";
  const char* nist = EC_curve_nid2nist(OBJ_sn2nid(group.data()));
  return std::string("EC ") + (nist != nullptr ? nist : group.data());
}

Strings dns_names_of(const Certificate& certificate) {
  return names_of(certificate.x509_without_key()).dns;
}

bool is_authority(const Certificate& certificate) {
  constexpr std::uint32_t kBoth = EXFLAG_BCONS | EXFLAG_CA;
  return (X509_get_extension_flags(certificate.x509_without_key()) & kBoth) == kBoth;
}

void certificate_rows(TextTable& rows, const Certificate& certificate, WallTime now) {
  X509* x509 = certificate.x509_without_key();
  const Names names = names_of(x509);
  const auto row = [&rows](const char* label, std::string_view value) {
    if (!value.empty()) rows.row(label, value);
  };
  for (const std::string& uri : names.uris) row(uri.starts_with("spiffe:") ? "SPIFFE ID" : "URI", uri);
  row("valid", lifetime_text(certificate.not_before(), certificate.not_after(), now));
  row("key", key_of(certificate));
  row("subject", certificate.subject());
  row("issuer", issuer_of(x509));
  row("serial", certificate.serial());
  row("SHA-256", certificate.sha256());
  row("DNS names", joined(names.dns));
  row("names", joined(names.other));
  row("usage", joined(uses_of(x509)));
  row("purpose", joined(purposes_of(x509)));
}

std::string certificate_line(const Certificate& certificate, WallTime now) {
  std::string name = certificate.subject();
  if (name.empty()) name = "serial " + certificate.serial();
  return cat({name, ", ", key_of(certificate), ", until ", rfc3339(certificate.not_after()), ", ",
              time_left(certificate.not_before(), certificate.not_after(), now)});
}

Json certificate_json(const Certificate& certificate, WallTime now) {
  X509* x509 = certificate.x509_without_key();
  const Names names = names_of(x509);
  Json out = Json::object();
  out["subject"] = certificate.subject();
  out["issuer"] = issuer_of(x509);
  out["serial"] = certificate.serial();
  out["not_before"] = rfc3339(certificate.not_before());
  out["not_after"] = rfc3339(certificate.not_after());
  out["remaining_seconds"] = seconds_left(certificate.not_after(), now);
  out["key"] = key_of(certificate);
  out["signature"] = OBJ_nid2sn(X509_get_signature_nid(x509));
  out["authority"] = is_authority(certificate);
  out["uris"] = names.uris;
  out["dns"] = names.dns;
  out["other_names"] = names.other;
  out["key_usage"] = uses_of(x509);
  out["extended_key_usage"] = purposes_of(x509);
  out["sha256"] = certificate.sha256();
  return out;
}

}  // namespace spiffe::cli
