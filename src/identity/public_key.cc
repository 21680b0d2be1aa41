#include "identity/public_key.hh"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "base/base64.hh"
#include "base/openssl.hh"
#include "identity/ec_group.hh"

namespace spiffe::identity {

namespace {

using PointPtr = Owned<EC_POINT, EC_POINT_free>;

bool is(DerSpan found, std::span<const unsigned char> wanted) {
  return std::ranges::equal(found, std::as_bytes(wanted));
}

constexpr std::array<unsigned char, 7> kEcPublicKey = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
constexpr std::array<unsigned char, 8> kP256 = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
constexpr std::array<unsigned char, 5> kP384 = {0x2B, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<unsigned char, 5> kP521 = {0x2B, 0x81, 0x04, 0x00, 0x23};

struct NamedCurve {
  std::span<const unsigned char> oid;
  std::string_view name;
  int nid;
  std::size_t coordinate;  // bytes
};
constexpr std::array kNamedCurves = {NamedCurve{kP256, "P-256", NID_X9_62_prime256v1, 32},
                                     NamedCurve{kP384, "P-384", NID_secp384r1, 48},
                                     NamedCurve{kP521, "P-521", NID_secp521r1, 66}};

DerSpan without_zeros(DerSpan number) {
  while (!number.empty() && number.front() == std::byte{0}) number = number.subspan(1);
  return number;
}

std::optional<std::string> rsa_members(DerSpan key) {
  const auto numbers = DerReader(key).take(DerTag::sequence);
  if (!numbers) return std::nullopt;
  DerReader reader(*numbers);
  const auto modulus = reader.take(DerTag::integer);
  const auto exponent = reader.take(DerTag::integer);
  if (!modulus || !exponent || without_zeros(*modulus).empty() || without_zeros(*exponent).empty())
    return std::nullopt;
  return fmt::format(R"("kty":"RSA","n":"{}","e":"{}")", base64url_encode(without_zeros(*modulus)),
                     base64url_encode(without_zeros(*exponent)));
}

// The point is encoded as x and y, or as x with the sign of y.
std::optional<std::string> ec_members(const NamedCurve& curve, DerSpan key) {
  const EC_GROUP* group = ec_group(curve.nid);
  const PointPtr point(EC_POINT_new(group));
  std::array<unsigned char, 2 * 66 + 1> raw{};
  const std::size_t size = 2 * curve.coordinate + 1;
  const bool good = EC_POINT_oct2point(group, point.get(), reinterpret_cast<const unsigned char*>(key.data()),
                                       key.size(), nullptr) == 1 &&
                    EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, raw.data(),
                                       raw.size(), nullptr) == size;
  if (!good) {
    static_cast<void>(take_openssl_error());
    return std::nullopt;
  }
  const auto coordinates = std::as_bytes(std::span(raw)).subspan(1);
  return fmt::format(R"("kty":"EC","crv":"{}","x":"{}","y":"{}")", curve.name,
                     base64url_encode(coordinates.first(curve.coordinate)),
                     base64url_encode(coordinates.subspan(curve.coordinate, curve.coordinate)));
}

}  // namespace

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

bool is_rsa_oid(DerSpan oid) {
  // rsaEncryption is 1.2.840.113549.1.1.1, RSASSA-PSS is 1.2.840.113549.1.1.10.
  constexpr std::array<unsigned char, 8> kPkcs1 = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01};
  if (oid.size() != kPkcs1.size() + 1 || (oid.back() != std::byte{1} && oid.back() != std::byte{10}))
    return false;
  return is(oid.first(kPkcs1.size()), kPkcs1);
}

std::optional<std::string> public_jwk_members(const Certificate& certificate) {
  const auto info = public_key_info(certificate.der());
  if (!info) return std::nullopt;
  DerReader reader(*info);
  const auto algorithm = reader.take(DerTag::sequence);
  const auto bits = reader.take(DerTag::bit_string);
  if (!algorithm || !bits || bits->empty() || bits->front() != std::byte{0}) return std::nullopt;
  const DerSpan key = bits->subspan(1);
  DerReader identifier(*algorithm);
  const auto oid = identifier.take(DerTag::object_identifier);
  if (!oid) return std::nullopt;
  if (is_rsa_oid(*oid)) return rsa_members(key);
  const auto name = is(*oid, kEcPublicKey) ? identifier.take(DerTag::object_identifier) : std::nullopt;
  if (!name) return std::nullopt;
  const auto* const curve =
      std::ranges::find_if(kNamedCurves, [&](const NamedCurve& each) { return is(*name, each.oid); });
  return curve != kNamedCurves.end() ? ec_members(*curve, key) : std::nullopt;
}

}  // namespace spiffe::identity
