#include "identity/rsa_size.hh"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "identity/der.hh"

namespace spiffe::identity {

namespace {

// RFC 5280, section 4.1: what stands in front of the SubjectPublicKeyInfo, and that.
std::optional<DerSpan> public_key_info(const Bytes& certificate) {
  DerReader whole(certificate);
  const auto fields = whole.take(DerTag::sequence);
  if (!fields) return std::nullopt;
  DerReader outer(*fields);
  const auto content = outer.take(DerTag::sequence);
  if (!content) return std::nullopt;
  DerReader reader(*content);
  if (reader.next_is(DerTag::context_0) && !reader.take(DerTag::context_0)) return std::nullopt;  // version
  if (!reader.take(DerTag::integer)) return std::nullopt;  // serial number
  constexpr int kBefore = 4;                               // signature algorithm, issuer, validity, subject
  for (int i = 0; i < kBefore; ++i) {
    if (!reader.take(DerTag::sequence)) return std::nullopt;
  }
  return reader.take(DerTag::sequence);
}

// rsaEncryption and RSASSA-PSS: 1.2.840.113549.1.1.1 and .10.
bool is_rsa(DerSpan oid) {
  constexpr std::array<unsigned char, 8> kPkcs1 = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01};
  if (oid.size() != kPkcs1.size() + 1 || (oid.back() != std::byte{1} && oid.back() != std::byte{10}))
    return false;
  return std::ranges::equal(oid.first(kPkcs1.size()), std::as_bytes(std::span(kPkcs1)));
}

}  // namespace

std::size_t rsa_bits(const Certificate& certificate) {
  const auto info = public_key_info(certificate.der());
  if (!info) return 0;
  DerReader reader(*info);
  const auto algorithm = reader.take(DerTag::sequence);
  const auto bits = reader.take(DerTag::bit_string);
  if (!algorithm || !bits || bits->empty()) return 0;
  const auto oid = DerReader(*algorithm).take(DerTag::object_identifier);
  if (!oid || !is_rsa(*oid)) return 0;
  const auto numbers = DerReader(bits->subspan(1)).take(DerTag::sequence);
  const auto modulus = numbers ? DerReader(*numbers).take(DerTag::integer) : std::nullopt;
  if (!modulus) return 0;
  const auto first = std::ranges::find_if(*modulus, [](std::byte byte) { return byte != std::byte{0}; });
  if (first == modulus->end()) return 0;
  const auto left = static_cast<std::size_t>(modulus->end() - first);
  return (left - 1) * 8 + static_cast<std::size_t>(std::bit_width(std::to_integer<unsigned>(*first)));
}

bool has_weak_rsa_key(const Certificate& certificate) {
  const std::size_t bits = rsa_bits(certificate);
  return bits != 0 && bits < kMinRsaBits;
}

std::string weak_rsa_warning(const Certificate& certificate, const std::string& name) {
  return name + " has an RSA key of " + std::to_string(rsa_bits(certificate)) +
         " bits: many programs refuse one of fewer than " + std::to_string(kMinRsaBits);
}

}  // namespace spiffe::identity
