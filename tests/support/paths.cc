#include "support/paths.hh"

#include <algorithm>
#include <array>
#include <string_view>

#include <openssl/x509_vfy.h>

#include "identity/usual_path.hh"
#include "support/asn1.hh"
#include "support/path_keys.hh"
#include "support/pki.hh"

namespace spiffe::test {

namespace {

using asn1::element;
using asn1::Text;
using identity::Certificate;

constexpr std::size_t kMostCertificates = 6;

// Decisions, one byte each.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> seed) : rest_(seed) {
    if (seed.empty()) return;
    rest_ = seed.subspan(1);
    if (seed.front() % 2 == 0) return;
    endless_ = true;
    for (const std::uint8_t byte : rest_) state_ = (state_ ^ byte) * 0x100000001B3U;
    state_ |= 1U;
  }

  std::size_t below(std::size_t count) { return next() % count; }
  // 0, the good choice, in all but at most `odds` of 256 cases; else one of the `bad` others.
  std::size_t rarely(std::size_t odds, std::size_t bad) {
    const std::size_t drawn = next();
    return drawn < 256 - (odds >> calm_) ? 0 : 1 + drawn % bad;
  }
  // Changes how many of the following choices are bad.
  void draw_mood() { calm_ = below(4); }

 private:
  std::size_t next() {
    if (endless_) {
      state_ ^= state_ << 13U;
      state_ ^= state_ >> 7U;
      state_ ^= state_ << 17U;
      return state_ >> 40U & 0xFFU;
    }
    if (rest_.empty()) return 0;
    const std::size_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }

  std::span<const std::uint8_t> rest_;
  bool endless_ = false;
  std::size_t calm_ = 0;
  std::uint64_t state_ = 0xCBF29CE484222325U;
};

// The identity of one certificate; others may be issued under it.
struct Subject {
  Text name;
  std::size_t key = 0;
  Text serial;
  Text key_id;  // "": none
};

Text name_of(std::size_t form) {
  if (form == 0) return asn1::sequence({});
  constexpr unsigned char kUtf8 = 0x0C;
  constexpr unsigned char kPrintable = 0x13;
  // X.509 considers the last two equal to the first.
  constexpr std::array<std::string_view, 9> kNames = {"One", "Two", "Three",  "Four", "Five",
                                                      "Six", "one", "  One ", "One"};
  const unsigned char tag = form == kNames.size() ? kPrintable : kUtf8;
  const Text value = element(tag, kNames.at(form - 1));
  const Text attribute = asn1::sequence({asn1::oid("\x55\x04\x03"), value});
  return asn1::sequence({element(0x31, attribute)});
}

Text date(Choices& choices, bool begin) {
  constexpr std::array<std::string_view, 14> kEnds = {
      "U260202030405Z",     "G20260202030405Z",     "G20260102030406Z",   "G20260102030405Z",
      "G99991231235959Z",   "U260101000000Z",       "U2602020304Z",       "G202602020304Z",
      "G20260202030405.5Z", "G20260202050405+0100", "U260202030405+0000", "G20260202030405",
      "G20261302030405Z",   "U491231235959Z"};
  constexpr std::array<std::string_view, 14> kBegins = {
      "U260101030405Z",     "G20260101030405Z",     "G20260102030404Z",   "G20260102030405Z",
      "G00010101000000Z",   "U260103000000Z",       "U2601010304Z",       "G202601010304Z",
      "G20260101030405.5Z", "G20260101050405+0100", "U260101030405+0000", "G20260101030405",
      "G20260001030405Z",   "U500101000000Z"};
  const std::string_view text = (begin ? kBegins : kEnds).at(choices.rarely(24, kEnds.size() - 1));
  constexpr unsigned char kUtcTime = 0x17;
  constexpr unsigned char kGeneralizedTime = 0x18;
  return element(text.front() == 'U' ? kUtcTime : kGeneralizedTime, text.substr(1));
}

Text extension(std::string_view id, bool critical, const Text& value) {
  return asn1::sequence({asn1::oid(id), critical ? asn1::boolean(true) : Text(), element(0x04, value)});
}

Text basic_constraints(Choices& choices) {
  const Text ca = asn1::boolean(true);
  constexpr std::string_view kId = "\x55\x1D\x13";
  switch (choices.rarely(48, 10)) {
    case 0:
      return extension(kId, true, asn1::sequence({ca}));
    case 1:
      return {};
    case 2:
      return extension(kId, true, asn1::sequence({}));
    case 3:
      return extension(kId, true, asn1::sequence({ca, asn1::integer(0)}));
    case 4:
      return extension(kId, true, asn1::sequence({ca, asn1::integer(1)}));
    case 5:
      return extension(kId, false, asn1::sequence({ca, asn1::integer(2)}));
    case 6:
      return extension(kId, true, asn1::sequence({ca, asn1::integer(0xFF)}));  // -1
    case 7:
      return extension(kId, true, asn1::sequence({asn1::integer(0)}));
    case 8:
      return extension(kId, true, "\x30\x7F");
    case 9:
      return extension(kId, true, asn1::sequence({element(0x01, "\x01")}));  // true in BER
    default:
      return extension(kId, false, asn1::sequence({ca}));
  }
}

Text key_usage(Choices& choices) {
  constexpr std::array<std::string_view, 8> kBits = {
      std::string_view("\x02\x84", 2),      // digitalSignature, keyCertSign
      std::string_view("\x02\x04", 2),      // keyCertSign
      std::string_view("\x07\x80", 2),      // digitalSignature
      std::string_view("\x01\x02", 2),      // cRLSign
      std::string_view("\x00", 1),          // none
      std::string_view("\x07\x04\x80", 3),  // keyCertSign, decipherOnly
      std::string_view("\x00\x04", 2),      // not DER
      std::string_view()};
  constexpr std::string_view kId = "\x55\x1D\x0F";
  const std::size_t form = choices.rarely(32, kBits.size() + 1);
  if (form == kBits.size()) return {};
  if (form > kBits.size()) return extension(kId, false, element(0x03, kBits[1]));
  return extension(kId, true, element(0x03, kBits.at(form)));
}

Text extended_usage(Choices& choices) {
  const Text server = asn1::oid("\x2B\x06\x01\x05\x05\x07\x03\x01");
  constexpr std::string_view kId = "\x55\x1D\x25";
  switch (choices.rarely(48, 5)) {
    case 0:
      return {};
    case 1:
      return extension(kId, false, asn1::sequence({server}));
    case 2:
      return extension(kId, true, asn1::sequence({asn1::oid("\x2B\x06\x01\x05\x05\x07\x03\x08")}));
    case 3:
      return extension(kId, true, asn1::sequence({asn1::oid(std::string_view("\x55\x1D\x25\x00", 4))}));
    case 4:
      return extension(kId, false, asn1::sequence({}));
    default:
      return extension(kId, true, "\x30\x05");
  }
}

Text subject_key_id(Choices& choices, Subject& self) {
  constexpr std::string_view kId = "\x55\x1D\x0E";
  self.key_id = "key " + std::to_string(self.key);
  switch (choices.rarely(64, 4)) {
    case 0:
      return extension(kId, false, element(0x04, self.key_id));
    case 1:
      self.key_id.clear();
      return {};
    case 2:
      self.key_id = "key " + std::to_string(choices.below(kMostCertificates));
      return extension(kId, false, element(0x04, self.key_id));
    case 3:
      self.key_id.clear();
      return extension(kId, false, element(0x04, ""));
    default:
      return extension(kId, true, "\x04\x09");
  }
}

Text authority_key_id(Choices& choices, const Subject& issuer) {
  constexpr std::string_view kId = "\x55\x1D\x23";
  const auto issued_by = [](const Text& name, const Text& serial) {
    return element(0xA1, element(0xA4, name)) + element(0x82, serial);
  };
  switch (choices.rarely(64, 7)) {
    case 0:
      if (issuer.key_id.empty()) return {};
      return extension(kId, false, asn1::sequence({element(0x80, issuer.key_id)}));
    case 1:
      return {};
    case 2:
      return extension(kId, false, asn1::sequence({element(0x80, "another")}));
    case 3:
      return extension(kId, false, asn1::sequence({issued_by(issuer.name, issuer.serial)}));
    case 4:
      return extension(kId, false, asn1::sequence({issued_by(issuer.name, "\x7E")}));
    case 5:
      return extension(kId, false, asn1::sequence({issued_by(name_of(choices.below(9)), issuer.serial)}));
    case 6:
      return extension(kId, true, asn1::sequence({}));
    default:
      return extension(kId, false, "\x30\x03\x80");
  }
}

Text subject_name(Choices& choices) {
  constexpr std::string_view kId = "\x55\x1D\x11";
  switch (choices.rarely(96, 4)) {
    case 0:
      return extension(kId, false, asn1::sequence({element(0x86, "spiffe://example.org/web")}));
    case 1:
      return {};
    case 2:
      return extension(kId, true, asn1::sequence({element(0x82, "example.org")}));
    case 3:
      return extension(kId, false, asn1::sequence({element(0x87, "\x7F")}));
    default:
      return extension(kId, false, "\x30\x08");
  }
}

// An extension that most certificates do not have; "" in nearly all cases.
Text another_extension(Choices& choices) {
  constexpr std::string_view kBasicConstraints = "\x55\x1D\x13";
  const Text nothing = asn1::sequence({});
  const Text domain = element(0x86, ".example.net");
  switch (choices.rarely(32, 12)) {
    case 0:
      return {};
    case 1:  // unknown
      return extension("\x2A\x03\x04", true, nothing);
    case 2:
      return extension("\x2A\x03\x04", false, nothing);
    case 3:  // a duplicate
      return extension(kBasicConstraints, true, nothing);
    case 4:
      return extension("\x55\x1D\x0F", true, element(0x03, std::string_view("\x07\x80", 2)));
    case 5:  // name constraints
      return extension("\x55\x1D\x1E", true, asn1::sequence({element(0xA0, asn1::sequence({domain}))}));
    case 6:  // policy constraints
      return extension("\x55\x1D\x24", true, asn1::sequence({element(0x80, std::string_view("\0", 1))}));
    case 7:  // certificate policies
      return extension("\x55\x1D\x20", true, asn1::sequence({asn1::sequence({asn1::oid("\x2A\x03")})}));
    case 8:  // proxyCertInfo
      return extension("\x2B\x06\x01\x05\x05\x07\x01\x0E", true,
                       asn1::sequence({asn1::sequence({asn1::oid("\x2B\x06\x01\x05\x05\x07\x15\x01")})}));
    case 9:  // IP address blocks
      return extension("\x2B\x06\x01\x05\x05\x07\x01\x07", true, nothing);
    case 10:  // Netscape's certificate type
      return extension("\x60\x86\x48\x01\x86\xF8\x42\x01\x01", false, element(0x03, "\x07\x80"));
    case 11:  // CRL distribution points
      return extension("\x55\x1D\x1F", true, choices.below(2) == 0 ? nothing : Text("\x30\x01"));
    default:  // authority information access
      return extension("\x2B\x06\x01\x05\x05\x07\x01\x01", true, Text("\x30\x02\x05"));
  }
}

Text extensions(Choices& choices, Subject& self, const Subject& issuer) {
  std::array<Text, 7> all = {basic_constraints(choices),
                             key_usage(choices),
                             extended_usage(choices),
                             subject_key_id(choices, self),
                             Text(),
                             subject_name(choices),
                             another_extension(choices)};
  all[4] = authority_key_id(choices, issuer);
  std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(choices.rarely(16, 6)), all.end());
  Text joined;
  for (const Text& each : all) joined += each;
  return joined.empty() ? Text() : element(0xA3, element(0x30, joined));
}

Text version(Choices& choices) {
  const std::size_t form = choices.rarely(8, 3);
  if (form == 3) return {};  // version 1
  return element(0xA0, asn1::integer(form == 0 ? 2 : static_cast<unsigned char>(form == 1 ? 1 : 5)));
}

// A certificate under `issuer`; sets the key identifier in `self`.
identity::Bytes make(Choices& choices, Subject& self, const Subject& issuer) {
  const std::size_t wrong_signer = choices.rarely(16, path_keys().size());
  const PathKey& signer = path_keys()[wrong_signer == 0 ? issuer.key : wrong_signer - 1];
  const SignatureForm& form = signer.forms.at(choices.rarely(24, signer.forms.size()) % signer.forms.size());
  const std::size_t other_issuer = choices.rarely(16, 9);
  const std::size_t other_key = choices.rarely(12, path_keys().size());
  const Text content = asn1::sequence({version(choices), element(0x02, self.serial), form.algorithm,
                                       other_issuer == 0 ? issuer.name : name_of(other_issuer),
                                       asn1::sequence({date(choices, true), date(choices, false)}), self.name,
                                       path_keys()[other_key == 0 ? self.key : other_key - 1].public_key,
                                       extensions(choices, self, issuer)});
  Text signature = form.sign(content);
  char unused_bits = 0;
  Text outer = form.algorithm;
  switch (choices.rarely(24, 5)) {
    case 0:
      break;
    case 1:
      if (!signature.empty()) signature.back() = static_cast<char>(signature.back() ^ 1);
      break;
    case 2:
      signature += '\0';
      break;
    case 3:
      unused_bits = 1;
      break;
    case 4:
      outer = path_keys()[choices.below(path_keys().size())].forms.back().algorithm;
      break;
    default:
      signature.clear();
  }
  return bytes(asn1::sequence({content, outer, element(0x03, Text(1, unused_bits) + signature)}));
}

std::vector<Certificate> certificates(Choices& choices) {
  const std::size_t count = 3 + choices.below(kMostCertificates - 2);
  std::vector<Subject> subjects(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t other_name = choices.rarely(48, 10);
    const std::size_t other_key = choices.rarely(40, path_keys().size());
    subjects[i].name = name_of(other_name == 0 ? i + 1 : other_name - 1);
    subjects[i].key = other_key == 0 ? i : other_key - 1;
    subjects[i].serial = Text(1, static_cast<char>(1 + choices.rarely(16, 9)));
  }
  std::vector<Certificate> made;
  for (std::size_t i = 0; i < count; ++i) {
    choices.draw_mood();
    // The first is a root, most others are below it.
    const std::size_t any = choices.rarely(24, count);
    const std::size_t above = any == 0 ? choices.below(std::max<std::size_t>(i, 1)) : any - 1;
    Subject issuer = subjects[above];
    if (above >= i && issuer.key_id.empty()) issuer.key_id = "key " + std::to_string(issuer.key);
    auto certificate = Certificate::parse(make(choices, subjects[i], issuer));
    if (certificate && certificate->x509() != nullptr) made.push_back(*std::move(certificate));
  }
  static_cast<void>(take_openssl_error());
  return made;
}

std::string pem_of(const std::vector<Certificate>& chain, const Certificate& authority) {
  std::string text;
  for (const Certificate& each : chain) text += each.pem();
  return text + authority.pem();
}

// Every path that begins with `chain`.
void compare_longer(const std::vector<Certificate>& all, std::vector<Certificate>& chain, PathTally& tally) {
  constexpr std::size_t kMostInChain = 3;
  for (const Certificate& next : all) {
    if (std::ranges::find(chain, next) != chain.end()) continue;
    if (!chain.empty()) {
      ++tally.paths;
      if (identity::is_usual_path(chain, next, kNow)) {
        ++tally.usual;
        if (!openssl_accepts(chain, next) && tally.counterexample.empty())
          tally.counterexample = pem_of(chain, next);
      }
    }
    if (chain.size() == kMostInChain) continue;
    chain.push_back(next);
    compare_longer(all, chain, tally);
    chain.pop_back();
  }
}

}  // namespace

bool openssl_accepts(const std::vector<Certificate>& chain, const Certificate& authority) {
  const X509StorePtr store(X509_STORE_new());
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  const X509StackPtr untrusted(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    X509_up_ref(chain[i].x509());
    sk_X509_push(untrusted.get(), chain[i].x509());
  }
  bool good = X509_STORE_add_cert(store.get(), authority.x509()) == 1 &&
              X509_STORE_CTX_init(context.get(), store.get(), chain[0].x509(), untrusted.get()) == 1;
  if (good) {
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(parameters, 0);
    X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(kNow));
    good = X509_verify_cert(context.get()) == 1;
  }
  static_cast<void>(take_openssl_error());
  return good;
}

void compare_paths(std::span<const std::uint8_t> seed, PathTally& tally) {
  Choices choices(seed);
  const std::vector<Certificate> all = certificates(choices);
  std::vector<Certificate> chain;
  compare_longer(all, chain, tally);
}

}  // namespace spiffe::test
