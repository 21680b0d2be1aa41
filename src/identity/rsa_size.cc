#include "identity/rsa_size.hh"

#include <algorithm>
#include <bit>
#include <optional>

#include "identity/der.hh"
#include "identity/public_key.hh"

namespace spiffe::identity {

std::size_t rsa_bits(const Certificate& certificate) {
  const auto info = public_key_info(certificate.der());
  if (!info) return 0;
  DerReader reader(*info);
  const auto algorithm = reader.take(DerTag::sequence);
  const auto bits = reader.take(DerTag::bit_string);
  if (!algorithm || !bits || bits->empty()) return 0;
  const auto oid = DerReader(*algorithm).take(DerTag::object_identifier);
  if (!oid || !is_rsa_oid(*oid)) return 0;
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
