#include "output/encode_pkcs12.hh"

#include <array>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <openssl/asn1t.h>
#include <openssl/hmac.h>
#include <openssl/pkcs12.h>

#include "base/openssl.hh"
#include "output/selected.hh"

namespace spiffe::output {

namespace {

using identity::Certificate;
using Hmac = std::array<unsigned char, 32>;

// The number that Java 17 uses. Measured with OpenSSL 3.0: 2.4 ms for the key in a keystore (legacy: 2.7 ms)
// and 0.9 ms for the MAC of a file. With both files, each publication and each check every 10 s blocks the
// loop for 4.2 ms.
constexpr int kIterations = 10'000;
constexpr int kSaltSize = 16;
constexpr std::string_view kAlias = "spiffe";
constexpr std::size_t kFingerprintDigits = 16;
// Oracle's bag attribute: without it, Java takes a certificate for a part of a chain and does not list it.
constexpr const char* kTrustedKeyUsage = "2.16.840.1.113894.746875.1.1";

void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags) {
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
void free_safes(STACK_OF(PKCS7) * safes) {
  sk_PKCS7_pop_free(safes, PKCS7_free);
}

using AnyPtr = Owned<ASN1_TYPE, ASN1_TYPE_free>;
using AlgorPtr = Owned<X509_ALGOR, X509_ALGOR_free>;
using SigPtr = Owned<X509_SIG, X509_SIG_free>;
using BagPtr = Owned<PKCS12_SAFEBAG, PKCS12_SAFEBAG_free>;
using BagsPtr = Owned<STACK_OF(PKCS12_SAFEBAG), free_bags>;
using Pkcs7Ptr = Owned<PKCS7, PKCS7_free>;
using SafesPtr = Owned<STACK_OF(PKCS7), free_safes>;
using Pkcs12Ptr = Owned<PKCS12, PKCS12_free>;

std::unexpected<Error> failed() {
  const std::string reason = take_openssl_error();
  return fail("cannot make PKCS#12: " + (reason.empty() ? "out of memory" : reason));
}

// How a file is encrypted and authenticated.
struct Protection {
  std::string_view password;
  bool legacy;
};

Protection protection_of(const Source& source, const EncodeOptions& options) {
  const auto* given = source.keystore_password;
  return {given != nullptr ? given->text() : kDefaultKeystorePassword, options.keystore_legacy};
}

// Adds the bytes unverified: verification is done elsewhere, and perhaps later.
BagPtr certificate_bag(const Certificate& certificate) {
  const auto* in = reinterpret_cast<const unsigned char*>(certificate.der().data());
  const AnyPtr any(d2i_ASN1_TYPE(nullptr, &in, static_cast<long>(certificate.der().size())));
  if (!any) return nullptr;
  return BagPtr(
      PKCS12_item_pack_safebag(any.get(), ASN1_ITEM_rptr(ASN1_ANY), NID_x509Certificate, NID_certBag));
}

// A bag with the key, encrypted with the password. Salt and IV come from a keyed hash of the key, which looks
// random to anyone without the key. A salt must differ from key to key, but need not be secret. It does not
// depend on the password: the salt is stored in the file, and a guessed password must not be testable without
// the cost of the iterations.
BagPtr key_bag(const SecretBytes& key, const Protection& protection) {
  constexpr std::string_view kLabel = "spiffe-helper PKCS#12 key";
  Hmac derived{};
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(kLabel.data()), kLabel.size(), derived.data(),
           nullptr) == nullptr) {
    return nullptr;
  }
  unsigned char* const salt = derived.data();
  unsigned char* const iv = salt + kSaltSize;
  const AlgorPtr algorithm(
      protection.legacy
          ? PKCS5_pbe_set(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, kIterations, salt, kSaltSize)
          : PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), kIterations, salt, kSaltSize, iv, NID_hmacWithSHA256));
  SigPtr encrypted(X509_SIG_new());
  if (!algorithm || !encrypted) return nullptr;
  unsigned char* data = nullptr;
  int size = 0;
  // Encrypts from our buffer into the result, so that OpenSSL keeps no copy of the key.
  if (PKCS12_pbe_crypt(algorithm.get(), protection.password.data(),
                       static_cast<int>(protection.password.size()), key.uchars(),
                       static_cast<int>(key.size()), &data, &size, 1) == nullptr) {
    return nullptr;
  }
  X509_ALGOR* named = nullptr;
  ASN1_OCTET_STRING* octets = nullptr;
  X509_SIG_getm(encrypted.get(), &named, &octets);
  ASN1_STRING_set0(octets, data, size);
  if (X509_ALGOR_copy(named, algorithm.get()) != 1) return nullptr;
  BagPtr bag(PKCS12_SAFEBAG_create0_pkcs8(encrypted.get()));
  if (bag) static_cast<void>(encrypted.release());
  return bag;
}

bool set_alias(PKCS12_SAFEBAG* bag, std::string_view alias) {
  return PKCS12_add_friendlyname_utf8(bag, alias.data(), static_cast<int>(alias.size())) == 1;
}

// Marks key and leaf as belonging together.
bool set_local_key_id(PKCS12_SAFEBAG* bag, const Certificate& leaf) {
  Sha256 id = sha256(leaf.der());
  return PKCS12_add_localkeyid(bag, reinterpret_cast<unsigned char*>(id.data()),
                               static_cast<int>(id.size())) == 1;
}

bool set_trusted(PKCS12_SAFEBAG* bag) {
  // A length of -1 means an object instead of its bytes.
  const auto* any_usage = reinterpret_cast<const unsigned char*>(OBJ_nid2obj(NID_anyExtendedKeyUsage));
  return PKCS12_add1_attr_by_txt(bag, kTrustedKeyUsage, V_ASN1_OBJECT, any_usage, -1) == 1;
}

bool add(STACK_OF(PKCS12_SAFEBAG) * bags, BagPtr bag) {
  if (!bag || sk_PKCS12_SAFEBAG_push(bags, bag.get()) == 0) return false;
  static_cast<void>(bag.release());
  return true;
}

bool add(STACK_OF(PKCS7) * safes, STACK_OF(PKCS12_SAFEBAG) * bags) {
  // Not encrypted: a key's bag is encrypted itself, and certificates are not secret.
  Pkcs7Ptr safe(PKCS12_pack_p7data(bags));
  if (!safe || sk_PKCS7_push(safes, safe.get()) == 0) return false;
  static_cast<void>(safe.release());
  return true;
}

Result<Encoded> finish(STACK_OF(PKCS7) * safes, unsigned char* salt, const Protection& protection) {
  const Pkcs12Ptr file(PKCS12_init(NID_pkcs7_data));
  if (!file || PKCS12_pack_authsafes(file.get(), safes) != 1 ||
      PKCS12_set_mac(file.get(), protection.password.data(), static_cast<int>(protection.password.size()),
                     salt, kSaltSize, kIterations, protection.legacy ? EVP_sha1() : EVP_sha256()) != 1) {
    return failed();
  }
  const int size = i2d_PKCS12(file.get(), nullptr);
  if (size <= 0) return failed();
  std::vector<unsigned char, CleansingAllocator<unsigned char>> der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  if (i2d_PKCS12(file.get(), &out) != size) return failed();
  return one_file(SecretBytes(std::as_bytes(std::span(der))));
}

// The alias of an authority: in lower case, to which Java converts it anyway, and independent of the others.
std::string alias_of(const Authority& authority) {
  return authority.trust_domain + "-" + authority.certificate.sha256().substr(0, kFingerprintDigits);
}

}  // namespace

Result<Encoded> encode_keystore(const Source& source, const EncodeOptions& options) {
  constexpr std::string_view kLabel = "spiffe-helper PKCS#12 MAC";
  const SecretBytes& key = source.identity.svid.key;
  const auto chain = chain_of(source, options);
  const Protection protection = protection_of(source, options);
  const BagsPtr certificates(sk_PKCS12_SAFEBAG_new_null());
  const BagsPtr keys(sk_PKCS12_SAFEBAG_new_null());
  const SafesPtr safes(sk_PKCS7_new_null());
  if (!certificates || !keys || !safes) return failed();
  for (const Certificate& each : chain) {
    BagPtr bag = certificate_bag(each);
    const bool leaf = &each == chain.data();
    if (bag && leaf && !(set_alias(bag.get(), kAlias) && set_local_key_id(bag.get(), each))) return failed();
    if (!add(certificates.get(), std::move(bag))) return failed();
  }
  BagPtr bag = key_bag(key, protection);
  if (!bag || !set_alias(bag.get(), kAlias) || !set_local_key_id(bag.get(), chain.front())) return failed();
  Hmac salt{};
  if (!add(keys.get(), std::move(bag)) || !add(safes.get(), certificates.get()) ||
      !add(safes.get(), keys.get()) ||
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(kLabel.data()), kLabel.size(), salt.data(),
           nullptr) == nullptr) {
    return failed();
  }
  return finish(safes.get(), salt.data(), protection);
}

// Its salt is a plain hash of public data, which includes the SPIFFE ID so that workloads of one trust domain
// do not share a salt.
Result<Encoded> encode_truststore(const Source& source, const EncodeOptions& options) {
  const BagsPtr bags(sk_PKCS12_SAFEBAG_new_null());
  const SafesPtr safes(sk_PKCS7_new_null());
  if (!bags || !safes) return failed();
  std::string hashed = "spiffe-helper PKCS#12 truststore " + source.identity.svid.id.str();
  std::set<std::string> aliases;
  for (const Authority& each : authorities_of(source, options)) {
    const std::string alias = alias_of(each);
    if (!aliases.insert(alias).second) continue;
    hashed += '\n' + each.trust_domain + ' ' + each.certificate.sha256();
    BagPtr bag = certificate_bag(each.certificate);
    if (!bag || !set_alias(bag.get(), alias) || !set_trusted(bag.get()) || !add(bags.get(), std::move(bag)))
      return failed();
  }
  if (!add(safes.get(), bags.get())) return failed();
  Sha256 salt = sha256(std::as_bytes(std::span(hashed)));
  return finish(safes.get(), reinterpret_cast<unsigned char*>(salt.data()), protection_of(source, options));
}

}  // namespace spiffe::output
