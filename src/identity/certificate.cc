#include "identity/certificate.hh"

#include <algorithm>
#include <array>
#include <ctime>
#include <mutex>
#include <optional>

#include <openssl/bn.h>
#include <openssl/provider.h>

#include "base/text.hh"
#include "identity/der.hh"

namespace spiffe::identity {

struct Certificate::Content {
  WallTime not_before = WallTime::max();
  WallTime not_after = WallTime::min();
  X509Ptr without_key = nullptr;  // Keep::parsed only
  bool readable = false;
};

// Immutable bytes; everything else is derived from them.
struct Certificate::State {
  Bytes der;
  Keep keep = Keep::parsed;
  mutable std::once_flag looked_at;
  mutable Content content;  // set once, by content()
  mutable std::once_flag decoded;
  mutable X509Ptr complete;  // set once, by x509()
};

namespace {

constexpr std::size_t kMaxKnown = 64;  // beyond it, searching costs more than parsing

// A library context without any algorithm: in it, d2i_X509 finds no decoder for keys and leaves the public
// key undecoded.
OSSL_LIB_CTX* without_decoders() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    // The null provider prevents the default one from being loaded on demand.
    if (made != nullptr && OSSL_PROVIDER_load(made, "null") == nullptr) {
      OSSL_LIB_CTX_free(made);
      made = nullptr;
    }
    return made;  // null is the default context: slower, but also correct
  }();
  return context;
}

X509Ptr decode(std::span<const std::byte> der, OSSL_LIB_CTX* context) {
  X509* certificate = X509_new_ex(context, nullptr);
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = in + der.size();
  if (d2i_X509(&certificate, &in, static_cast<long>(der.size())) == nullptr) return nullptr;  // freed by d2i
  X509Ptr owned(certificate);
  return in == end ? std::move(owned) : nullptr;
}

std::optional<WallTime> to_wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  const std::chrono::seconds seconds(::timegm(&parts));
  // 9999-12-31 means "no expiration" and is beyond the range of a 64-bit count of nanoseconds.
  constexpr auto kMax = std::chrono::floor<std::chrono::seconds>(WallTime::max().time_since_epoch());
  constexpr auto kMin = std::chrono::ceil<std::chrono::seconds>(WallTime::min().time_since_epoch());
  return WallTime(std::clamp<std::chrono::seconds>(seconds, kMin, kMax));
}

// Calls `make` for each certificate of `der` that is not known.
template <class Make>
Result<std::vector<Certificate>> each_of(std::span<const std::byte> der, std::span<const Certificate> known,
                                         Make make) {
  if (known.size() > kMaxKnown) known = {};
  std::vector<Certificate> certificates;
  for (DerReader reader(der); !reader.at_end();) {
    const auto which = [&certificates] { return "certificate " + std::to_string(certificates.size() + 1); };
    const auto one = reader.take_whole(DerTag::sequence);
    if (!one) return fail(ErrorKind::verification, which() + ": not a DER certificate");
    const auto same = [&one](const Certificate& c) { return std::ranges::equal(c.der(), *one); };
    if (const auto found = std::ranges::find_if(known, same); found != known.end()) {
      certificates.push_back(*found);
      continue;
    }
    Result<Certificate> made = make(*one);
    if (!made) return fail(context(which(), std::move(made).error()));
    certificates.push_back(*std::move(made));
  }
  return certificates;
}

std::unexpected<Error> unreadable(std::string_view why) {
  const std::string reason = take_openssl_error();
  return fail(ErrorKind::verification,
              std::string(why) + (reason.empty() ? std::string() : " (" + escape(reason) + ")"));
}

}  // namespace

Result<Certificate> Certificate::parse(std::span<const std::byte> der, Keep keep) {
  if (der.empty()) return fail(ErrorKind::verification, "the certificate is empty");
  DerReader reader(der);
  if (!reader.take_whole(DerTag::sequence)) return fail(ErrorKind::verification, "not a DER certificate");
  if (!reader.at_end()) return fail(ErrorKind::verification, "bytes follow the certificate");
  Certificate certificate = cut(der, keep);
  if (auto readable = certificate.readable(); !readable) return fail(std::move(readable).error());
  return certificate;
}

Certificate Certificate::cut(std::span<const std::byte> der, Keep keep) {
  auto state = std::make_shared<State>();
  state->der.assign(der.begin(), der.end());
  state->keep = keep;
  return Certificate(std::move(state));
}

Result<Certificate::Content> Certificate::read(const Bytes& der) {
  X509Ptr certificate = decode(der, without_decoders());
  if (!certificate) return unreadable("not a DER certificate");
  const auto not_before = to_wall_time(X509_get0_notBefore(certificate.get()));
  const auto not_after = to_wall_time(X509_get0_notAfter(certificate.get()));
  if (!not_before || !not_after) return unreadable("the certificate's validity cannot be read");
  return Content{*not_before, *not_after, std::move(certificate), true};
}

const Certificate::Content& Certificate::content() const {
  std::call_once(state_->looked_at, [this] {
    auto content = read(state_->der);
    if (!content) return;
    state_->content = *std::move(content);
    if (state_->keep == Keep::der_only) state_->content.without_key.reset();
  });
  return state_->content;
}

Result<void> Certificate::readable() const {
  if (content().readable) return {};
  // Parses again to find the error: this is rare, and storing an error for each of thousands of certificates
  // costs memory.
  return fail(read(state_->der).error());
}

Result<std::vector<Certificate>> Certificate::parse_concatenated(std::span<const std::byte> der, Keep keep,
                                                                 std::span<const Certificate> known) {
  return each_of(der, known, [keep](DerSpan one) { return parse(one, keep); });
}

Result<std::vector<Certificate>> Certificate::split_concatenated(std::span<const std::byte> der,
                                                                 std::span<const Certificate> known) {
  return each_of(der, known, [](DerSpan one) -> Result<Certificate> { return cut(one, Keep::parsed); });
}
const Bytes& Certificate::der() const {
  return state_->der;
}

X509* Certificate::x509() const {
  // Only once, also if two threads hold copies.
  std::call_once(state_->decoded, [this] { state_->complete = decode(state_->der, nullptr); });
  return state_->complete.get();
}

X509* Certificate::x509_without_key() const {
  const X509Ptr& kept = content().without_key;
  return kept ? kept.get() : x509();
}

WallTime Certificate::not_before() const {
  return content().not_before;
}

WallTime Certificate::not_after() const {
  return content().not_after;
}

WallTime earliest_end(std::span<const Certificate> certificates) {
  WallTime earliest = WallTime::max();
  for (const Certificate& certificate : certificates) earliest = std::min(earliest, certificate.not_after());
  return earliest;
}

std::string Certificate::serial() const {
  const Owned<BIGNUM, BN_free> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509_without_key()), nullptr));
  char* digits = number ? BN_bn2hex(number.get()) : nullptr;
  std::string text = digits != nullptr ? digits : "";
  OPENSSL_free(digits);
  return text == "0" ? "00" : text;
}

std::string Certificate::sha256() const {
  return lower(hex(spiffe::sha256(der())));
}

std::string Certificate::subject() const {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(x509_without_key()), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? escape({text, static_cast<std::size_t>(size)}) : std::string();
}

std::string Certificate::pem() const {
  constexpr std::size_t kBytesPerLine = 48;
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";
  const Bytes& bytes = state_->der;
  std::string text(kBegin);
  text.reserve(kBegin.size() + kEnd.size() + (bytes.size() / kBytesPerLine + 1) * 65);
  std::array<unsigned char, 65> line{};  // 64 characters and the NUL that OpenSSL adds
  for (std::size_t at = 0; at < bytes.size(); at += kBytesPerLine) {
    const std::size_t count = std::min(kBytesPerLine, bytes.size() - at);
    const auto* in = reinterpret_cast<const unsigned char*>(bytes.data() + at);
    const int size = EVP_EncodeBlock(line.data(), in, static_cast<int>(count));
    text.append(reinterpret_cast<const char*>(line.data()), static_cast<std::size_t>(size));
    text += '\n';
  }
  return text += kEnd;
}

}  // namespace spiffe::identity
