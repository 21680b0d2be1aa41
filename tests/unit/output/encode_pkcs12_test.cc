#include "output/encode_pkcs12.hh"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <openssl/pkcs12.h>

#include "support/catch.hh"
#include "support/pki.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

using namespace std::chrono_literals;
using pki::KeyType;
using Strings = std::vector<std::string>;
using Certificates = std::vector<identity::Bytes>;

using Pkcs12Ptr = Owned<PKCS12, PKCS12_free>;

std::string bytes_of(Result<Encoded> encoded) {
  INFO((encoded ? "" : encoded.error().message));
  REQUIRE(encoded);
  REQUIRE(encoded->size() == 1);
  CHECK(encoded->front().name.empty());
  return std::string(encoded->front().bytes.text());
}

std::string keystore(const identity::X509Context& context, const EncodeOptions& options = {},
                     const SecretBytes* password = nullptr) {
  return bytes_of(
      encode_keystore({.identity = context, .now = wall_now(), .keystore_password = password}, options));
}

std::string truststore(const identity::X509Context& context, const EncodeOptions& options = {},
                       const SecretBytes* password = nullptr) {
  return bytes_of(
      encode_truststore({.identity = context, .now = wall_now(), .keystore_password = password}, options));
}

Pkcs12Ptr read(const std::string& der) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  Pkcs12Ptr out(d2i_PKCS12(nullptr, &in, static_cast<long>(der.size())));
  REQUIRE(out);
  CHECK(in == reinterpret_cast<const unsigned char*>(der.data()) + der.size());
  return out;
}

identity::Bytes der_of(X509* certificate) {
  unsigned char* out = nullptr;
  const int size = i2d_X509(certificate, &out);
  REQUIRE(size > 0);
  const auto* begin = reinterpret_cast<const std::byte*>(out);
  identity::Bytes bytes(begin, begin + size);
  OPENSSL_free(out);
  return bytes;
}

std::string name_of(const ASN1_OBJECT* object) {
  char text[80];
  return OBJ_obj2txt(text, sizeof text, object, 1) > 0 ? text : "";
}

// The result of parsing a file with OpenSSL.
struct Parsed {
  PkeyPtr key;
  identity::Bytes leaf;
  std::vector<identity::Bytes> others;
};

Parsed parse(const std::string& der, const char* password) {
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  REQUIRE(PKCS12_parse(read(der).get(), password, &key, &leaf, &others) == 1);
  Parsed out{.key = PkeyPtr(key), .leaf = {}, .others = {}};
  const X509Ptr owned_leaf(leaf);
  const X509StackPtr owned_others(others);
  if (leaf != nullptr) out.leaf = der_of(leaf);
  for (int i = 0; i < sk_X509_num(others); ++i) out.others.push_back(der_of(sk_X509_value(others, i)));
  return out;
}

// The bags of a file as text (type, alias, attributes), and the algorithm of an encrypted key.
struct Inside {
  Strings bags;
  std::vector<std::string> aliases;
  std::set<std::string> attributes;
  std::string key_algorithm;
  std::string mac;
};

Inside look_into(const std::string& der) {
  const Pkcs12Ptr file = read(der);
  Inside out;
  const X509_ALGOR* mac = nullptr;
  PKCS12_get0_mac(nullptr, &mac, nullptr, nullptr, file.get());
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, mac);
  out.mac = OBJ_nid2sn(OBJ_obj2nid(object));
  STACK_OF(PKCS7)* safes = PKCS12_unpack_authsafes(file.get());
  REQUIRE(safes != nullptr);
  for (int i = 0; i < sk_PKCS7_num(safes); ++i) {
    STACK_OF(PKCS12_SAFEBAG)* bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, i));
    REQUIRE(bags != nullptr);
    for (int j = 0; j < sk_PKCS12_SAFEBAG_num(bags); ++j) {
      const PKCS12_SAFEBAG* bag = sk_PKCS12_SAFEBAG_value(bags, j);
      char* name = PKCS12_get_friendlyname(const_cast<PKCS12_SAFEBAG*>(bag));
      out.bags.emplace_back(OBJ_nid2sn(PKCS12_SAFEBAG_get_nid(bag)));
      out.aliases.emplace_back(name == nullptr ? "" : name);
      OPENSSL_free(name);
      const STACK_OF(X509_ATTRIBUTE)* attributes = PKCS12_SAFEBAG_get0_attrs(bag);
      for (int k = 0; k < sk_X509_ATTRIBUTE_num(attributes); ++k) {
        X509_ATTRIBUTE* each = sk_X509_ATTRIBUTE_value(attributes, k);
        std::string text = name_of(X509_ATTRIBUTE_get0_object(each));
        const ASN1_TYPE* value = X509_ATTRIBUTE_get0_type(each, 0);
        if (value->type == V_ASN1_OBJECT) text += "=" + name_of(value->value.object);
        out.attributes.insert(text);
      }
      if (PKCS12_SAFEBAG_get_nid(bag) != NID_pkcs8ShroudedKeyBag) continue;
      const X509_ALGOR* algorithm = nullptr;
      X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, nullptr);
      X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
      out.key_algorithm = OBJ_nid2sn(OBJ_obj2nid(object));
      if (OBJ_obj2nid(object) != NID_pbes2) continue;
      const auto* pbe2 =
          static_cast<PBE2PARAM*>(ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter));
      REQUIRE(pbe2 != nullptr);
      auto* kdf = static_cast<PBKDF2PARAM*>(
          ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbe2->keyfunc->parameter));
      REQUIRE(kdf != nullptr);
      out.key_algorithm += std::string(" ") + OBJ_nid2sn(OBJ_obj2nid(kdf->prf->algorithm)) + " " +
                           std::to_string(ASN1_INTEGER_get(kdf->iter)) + " " +
                           OBJ_nid2sn(OBJ_obj2nid(pbe2->encryption->algorithm));
      PBKDF2PARAM_free(kdf);
      PBE2PARAM_free(const_cast<PBE2PARAM*>(pbe2));
    }
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  }
  sk_PKCS7_pop_free(safes, PKCS7_free);
  return out;
}

constexpr std::string_view kTrusted = "2.16.840.1.113894.746875.1.1=2.5.29.37.0";

}  // namespace

TEST_CASE("a keystore has key and chain for every type of key, with both kinds of algorithms") {
  for (const KeyType type :
       {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_2048, KeyType::ed25519}) {
    for (const bool legacy : {false, true}) {
      CAPTURE(static_cast<int>(type), legacy);
      const pki::Ca root;
      const pki::Ca middle = root.intermediate();
      identity::X509Material material;
      pki::CertificateOptions leaf;
      leaf.uris = {"spiffe://example.org/web"};
      leaf.key_type = type;
      material.svids.push_back(pki::svid_material(middle, leaf));
      const auto context = context_of(material);
      const std::string der = keystore(context, {.keystore_legacy = legacy});
      const Parsed found = parse(der, "changeit");
      CHECK(found.leaf == context.svid.leaf().der());
      CHECK(found.others == Certificates{middle.der()});
      X509* const complete = context.svid.leaf().x509();
      REQUIRE(found.key);
      CHECK(EVP_PKEY_eq(found.key.get(), X509_get0_pubkey(complete)) == 1);
      CHECK(der.find(context.svid.key.text()) == std::string::npos);
    }
  }
}

TEST_CASE("a keystore uses PBES2 with AES and SHA-256, or for old Java 3DES and SHA-1") {
  const pki::Ca root;
  const auto context = context_of(pki::material(root.intermediate(), "spiffe://example.org/web"));
  const Inside modern = look_into(keystore(context));
  CHECK(modern.bags == Strings{"certBag", "certBag", "pkcs8ShroudedKeyBag"});
  CHECK(modern.aliases == Strings{"spiffe", "", "spiffe"});
  CHECK_FALSE(modern.attributes.contains(std::string(kTrusted)));
  CHECK(modern.key_algorithm == "PBES2 hmacWithSHA256 10000 AES-256-CBC");
  CHECK(modern.mac == "SHA256");
  CHECK(look_into(truststore(context)).mac == "SHA256");

  const EncodeOptions options{.keystore_legacy = true};
  const Inside legacy = look_into(keystore(context, options));
  CHECK(legacy.bags == modern.bags);
  CHECK(legacy.key_algorithm == "PBE-SHA1-3DES");
  CHECK(legacy.mac == "SHA1");
  CHECK(look_into(truststore(context, options)).mac == "SHA1");
}

TEST_CASE("the password is the given one, or changeit") {
  const pki::Ca ca;
  const auto context = context_of(pki::material(ca, "spiffe://example.org/web"));
  const SecretBytes password(std::string_view("pässwörd"));
  for (const bool legacy : {false, true}) {
    const EncodeOptions options{.keystore_legacy = legacy};
    CHECK(parse(keystore(context, options, &password), "pässwörd").leaf == context.svid.leaf().der());
    for (const std::string& der :
         {keystore(context, options, &password), truststore(context, options, &password)}) {
      CHECK(PKCS12_verify_mac(read(der).get(), "pässwörd", -1) == 1);
      CHECK(PKCS12_verify_mac(read(der).get(), "changeit", -1) == 0);
      CHECK(PKCS12_verify_mac(read(der).get(), "", 0) == 0);
    }
  }
}

TEST_CASE("PKCS#12 is the same for the same input, and differs for another key or password") {
  const pki::Ca ca;
  const auto material = pki::material(ca, "spiffe://example.org/web");
  const auto context = context_of(material);
  const auto again = context_of(material);
  CHECK(keystore(context) == keystore(again));
  CHECK(truststore(context) == truststore(again));
  const auto other = context_of(pki::material(ca, "spiffe://example.org/web"));
  CHECK(keystore(context) != keystore(other));
  // A new certificate from the same authorities does not change the truststore.
  CHECK(truststore(context) == truststore(other));
  const SecretBytes password(std::string_view("other"));
  CHECK(keystore(context) != keystore(context, {}, &password));
  CHECK(truststore(context) != truststore(context, {}, &password));
}

TEST_CASE("salts differ between keys and between workloads") {
  const auto salt_of = [](const std::string& der) {
    const ASN1_OCTET_STRING* salt = nullptr;
    const Pkcs12Ptr file = read(der);
    PKCS12_get0_mac(nullptr, nullptr, &salt, nullptr, file.get());
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(salt)),
                       static_cast<std::size_t>(ASN1_STRING_length(salt)));
  };
  const pki::Ca ca;
  const auto web = context_of(pki::material(ca, "spiffe://example.org/web"));
  const auto web_again = context_of(pki::material(ca, "spiffe://example.org/web"));
  const auto db = context_of(pki::material(ca, "spiffe://example.org/db"));
  CHECK(salt_of(keystore(web)).size() == 16);
  CHECK(salt_of(keystore(web)) != salt_of(keystore(web_again)));
  CHECK(salt_of(truststore(web)) != salt_of(truststore(db)));
  // The salt must not allow testing passwords, so it does not depend on the password.
  const SecretBytes password(std::string_view("other"));
  CHECK(salt_of(keystore(web)) == salt_of(keystore(web, {}, &password)));
  CHECK(salt_of(truststore(web)) == salt_of(truststore(web, {}, &password)));
}

TEST_CASE("a truststore has each authority once, trusted, under an alias of its own") {
  const pki::Ca own;
  const pki::Ca next;
  const pki::Ca partner;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({own.der(), next.der(), own.der()});
  material.federated_bundles["spiffe://partner.test"] = pki::concat({partner.der(), own.der()});
  const auto context = context_of(material);
  const auto alias = [](const std::string& domain, const pki::Ca& ca) {
    return domain + "-" + identity::Certificate::parse(ca.der())->sha256().substr(0, 16);
  };
  const Inside found = look_into(truststore(context));
  CHECK(found.bags == Strings{"certBag", "certBag"});
  CHECK(found.aliases == Strings{alias("example.org", own), alias("example.org", next)});
  CHECK(found.attributes.contains(std::string(kTrusted)));
  const Parsed parsed = parse(truststore(context), "changeit");
  CHECK_FALSE(parsed.key);
  CHECK(parsed.others == Certificates{own.der(), next.der()});

  const Inside federated = look_into(truststore(context, {.include_federated_domains = true}));
  CHECK(federated.aliases == Strings{alias("example.org", own), alias("example.org", next),
                                     alias("partner.test", partner), alias("partner.test", own)});
}

TEST_CASE("a truststore has intermediates but no expired authorities, like the bundle") {
  const pki::Ca root;
  pki::CertificateOptions expired = pki::authority_options("Old CA");
  expired.not_after = wall_now() - 1h;
  const pki::Ca old(expired);
  const pki::Ca middle = root.intermediate();
  auto material = pki::material(middle, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({old.der(), root.der()});
  const auto context = context_of(material);
  const EncodeOptions options{.add_intermediates_to_bundle = true, .omit_expired = true};
  CHECK(parse(truststore(context, options), "changeit").others == Certificates{root.der(), middle.der()});
  CHECK(parse(keystore(context, options), "changeit").others.empty());
  CHECK(parse(truststore(context), "changeit").others == Certificates{old.der(), root.der()});
}

}  // namespace spiffe::output::test
