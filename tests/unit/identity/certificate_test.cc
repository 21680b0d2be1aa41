#include "identity/certificate.hh"

#include <openssl/pem.h>

#include "identity/der.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::identity::Bytes;
using spiffe::identity::Certificate;
namespace test = spiffe::test;

namespace {

std::string message_of(const spiffe::Result<Certificate>& result) {
  return result ? "accepted" : result.error().message;
}

std::string openssl_pem(X509* certificate) {
  const spiffe::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

TEST_CASE("the fields of a certificate can be read") {
  auto options = test::authority_options("Root \"1\"");
  options.not_before = spiffe::WallTime(1700000000s);
  options.not_after = spiffe::WallTime(1800000000s);
  const test::Ca ca(options);
  const auto certificate = Certificate::parse(ca.der());
  REQUIRE(certificate);
  CHECK(certificate->der() == ca.der());
  CHECK(certificate->not_before() == options.not_before);
  CHECK(certificate->not_after() == options.not_after);
  CHECK(certificate->subject() == "CN=Root \\\"1\\\"");
  CHECK(std::stoul(certificate->serial(), nullptr, 16) >= 1000);
  CHECK(certificate->serial().size() % 2 == 0);
  CHECK(certificate->sha256().size() == 64);
}

TEST_CASE("names are escaped") {
  const test::Ca ca(test::authority_options("Müller\n\x1b[31m"));
  const std::string subject = Certificate::parse(ca.der())->subject();
  CHECK(subject.starts_with("CN=Müller"));
  CHECK(subject.find('\n') == std::string::npos);
  CHECK(subject.find('\x1b') == std::string::npos);
}

TEST_CASE("the public key is available on request, whatever is kept in memory") {
  const test::Ca ca;
  for (const auto keep : {Certificate::Keep::parsed, Certificate::Keep::der_only}) {
    const auto certificate = Certificate::parse(ca.der(), keep);
    REQUIRE(certificate);
    REQUIRE(certificate->x509() != nullptr);
    REQUIRE(certificate->x509_without_key() != nullptr);
    CHECK(EVP_PKEY_eq(X509_get0_pubkey(certificate->x509()), ca.key().get()) == 1);
    const Certificate copy = *certificate;
    CHECK(copy.x509() == certificate->x509());
    CHECK(copy.serial() == certificate->serial());
  }
}

TEST_CASE("PEM is what OpenSSL writes, for every length") {
  for (std::size_t length = 1; length < 60; ++length) {
    const test::Ca ca(test::authority_options(std::string(length, 'x')));
    const auto certificate = Certificate::parse(ca.der());
    REQUIRE(certificate);
    REQUIRE(certificate->pem() == openssl_pem(certificate->x509()));
  }
}

TEST_CASE("the date of a certificate is clamped to the range of a time point") {
  auto options = test::authority_options();
  test::Ca ca(options);
  options.extensions = {};
  const auto year = [](std::string_view text) {
    const spiffe::Owned<ASN1_TIME, ASN1_TIME_free> time(ASN1_TIME_new());
    REQUIRE(ASN1_TIME_set_string_X509(time.get(), std::string(text).c_str()) == 1);
    const auto key = test::Key::generate();
    const spiffe::X509Ptr made(X509_new());
    X509_set1_notBefore(made.get(), time.get());
    X509_set1_notAfter(made.get(), time.get());
    X509_set_pubkey(made.get(), key.get());
    REQUIRE(X509_sign(made.get(), key.get(), EVP_sha256()) > 0);
    Bytes der(static_cast<std::size_t>(i2d_X509(made.get(), nullptr)));
    auto* out = reinterpret_cast<unsigned char*>(der.data());
    i2d_X509(made.get(), &out);
    return Certificate::parse(der)->not_after();
  };
  CHECK(year("99991231235959Z") > spiffe::WallTime(std::chrono::sys_days(std::chrono::year(2262) / 4 / 1)));
  CHECK(year("00010101000000Z") < spiffe::WallTime(std::chrono::sys_days(std::chrono::year(1678) / 1 / 1)));
}

TEST_CASE("bytes after a certificate are an error") {
  const test::Ca ca;
  CHECK(message_of(Certificate::parse({})) == "the certificate is empty");
  CHECK(message_of(Certificate::parse(test::bytes("-----BEGIN CERTIFICATE-----"))) ==
        "not a DER certificate");
  CHECK(message_of(Certificate::parse(test::concat({ca.der(), test::bytes("x")}))) ==
        "bytes follow the certificate");
  CHECK(message_of(Certificate::parse(test::concat({ca.der(), ca.der()}))) == "bytes follow the certificate");
  Bytes cut = ca.der();
  cut.pop_back();
  CHECK(message_of(Certificate::parse(cut)) == "not a DER certificate");
  CHECK(message_of(Certificate::parse(test::bytes("\x30\x01\x05"))).starts_with("not a DER certificate"));
}

TEST_CASE("BER's indefinite length is not DER") {
  const test::Ca ca;
  Bytes der = ca.der();  // 30 82 xx xx …
  REQUIRE(der[1] == std::byte{0x82});
  Bytes ber = test::concat({test::bytes("\x30\x80"), Bytes(der.begin() + 4, der.end()), Bytes(2)});
  CHECK_FALSE(Certificate::parse(ber));
  CHECK_FALSE(Certificate::parse_concatenated(ber));
}

TEST_CASE("bytes between or after concatenated certificates are an error") {
  const test::Ca a;
  const test::Ca b;
  CHECK(Certificate::parse_concatenated({})->empty());
  const auto both = Certificate::parse_concatenated(test::concat({a.der(), b.der()}));
  REQUIRE(both);
  REQUIRE(both->size() == 2);
  CHECK((*both)[0].der() == a.der());
  CHECK((*both)[1].der() == b.der());
  const auto between = Certificate::parse_concatenated(test::concat({a.der(), Bytes(1), b.der()}));
  REQUIRE_FALSE(between);
  CHECK(between.error().message == "certificate 2: not a DER certificate");
  CHECK_FALSE(Certificate::parse_concatenated(test::concat({a.der(), Bytes(1)})));
  CHECK_FALSE(Certificate::parse_concatenated(test::concat({a.der(), test::bytes("\n")})));
}

TEST_CASE("a known certificate is shared, not parsed again") {
  const test::Ca a;
  const test::Ca b;
  const auto known = Certificate::parse_concatenated(a.der());
  const auto both =
      Certificate::parse_concatenated(test::concat({b.der(), a.der()}), Certificate::Keep::parsed, *known);
  REQUIRE(both->size() == 2);
  CHECK(&(*both)[1].der() == &(*known)[0].der());
  CHECK((*both)[1] == (*known)[0]);
  CHECK((*both)[0] != (*known)[0]);
}

TEST_CASE("a certificate that was only split off is parsed on request") {
  const test::Ca a;
  const test::Ca b;
  const auto known = Certificate::parse_concatenated(a.der());
  const auto both = Certificate::split_concatenated(test::concat({b.der(), a.der()}), *known);
  REQUIRE(both);
  REQUIRE(both->size() == 2);
  CHECK(&(*both)[1].der() == &(*known)[0].der());
  const Certificate& cut = (*both)[0];
  CHECK(cut.der() == b.der());
  CHECK(cut.readable());
  const auto parsed = Certificate::parse(b.der());
  CHECK(cut.not_before() == parsed->not_before());
  CHECK(cut.not_after() == parsed->not_after());
  CHECK(cut.subject() == parsed->subject());
  CHECK(cut.x509() != nullptr);
}

TEST_CASE("a sequence that is not a certificate is split off, and detected on request") {
  const auto cut = Certificate::split_concatenated(test::bytes("\x30\x01x"));
  REQUIRE(cut);
  REQUIRE(cut->size() == 1);
  const Certificate& none = cut->front();
  const auto now = spiffe::wall_now();
  CHECK_FALSE((none.not_before() <= now && now <= none.not_after()));
  CHECK(none.x509() == nullptr);
  CHECK(none.x509_without_key() == nullptr);
  for (int i = 0; i < 2; ++i) {
    REQUIRE_FALSE(none.readable());
    CHECK(none.readable().error().message == Certificate::parse(none.der()).error().message);
  }
  CHECK_FALSE(Certificate::split_concatenated(test::bytes("\x30\x02x")));
}

TEST_CASE("the DER reader accepts only the shortest definite lengths") {
  using spiffe::identity::DerReader;
  using spiffe::identity::DerTag;
  const auto takes = [](std::string_view raw) {
    const Bytes der = test::bytes(raw);
    DerReader reader(der);
    const auto content = reader.take(DerTag::octet_string);
    return content ? static_cast<int>(content->size()) : -1;
  };
  using namespace std::string_view_literals;
  CHECK(takes("\x04\x00"sv) == 0);
  CHECK(takes("\x04\x02xy"sv) == 2);
  CHECK(takes("\x04\x81\x80"sv.data() + std::string(128, 'x')) == 128);
  CHECK(takes(""sv) == -1);
  CHECK(takes("\x04"sv) == -1);
  CHECK(takes("\x04\x03xy"sv) == -1);          // cut short
  CHECK(takes("\x04\x81\x02xy"sv) == -1);      // a long form, although the short one is enough
  CHECK(takes("\x04\x82\x00\x81"sv) == -1);    // a leading zero
  CHECK(takes("\x04\x80xy\x00\x00"sv) == -1);  // indefinite
  CHECK(takes("\x04\x85\x00\x00\x00\x00\x01x"sv) == -1);
  CHECK(takes("\x05\x00"sv) == -1);  // another tag
}
