// The kind of content of a file, which determines its mode, its owner, and when it is replaced.
#pragma once

namespace spiffe::output {

// A combination of the constants.
struct Contents {
  unsigned bits = 0;

  static const Contents nothing;
  static const Contents trust;        // authorities: world-readable
  static const Contents key;          // a private key
  static const Contents certificate;  // the leaf with its chain
  static const Contents token;        // a bearer token

  [[nodiscard]] bool operator==(const Contents&) const = default;
};
inline constexpr Contents Contents::nothing{0};
inline constexpr Contents Contents::trust{1};
inline constexpr Contents Contents::key{2};
inline constexpr Contents Contents::certificate{4};
inline constexpr Contents Contents::token{8};

[[nodiscard]] constexpr Contents operator|(Contents a, Contents b) {
  return {a.bits | b.bits};
}
[[nodiscard]] constexpr bool holds(Contents all, Contents any) {
  return (all.bits & any.bits) != 0;
}

// Reading the file is enough to use the identity.
[[nodiscard]] constexpr bool is_secret(Contents contents) {
  return holds(contents, Contents::key | Contents::token);
}

// Files of one set are replaced in this order: readers reload when the certificate changes, and all other
// files must be in place by then.
[[nodiscard]] constexpr int turn_of(Contents contents) {
  if (holds(contents, Contents::certificate)) return 2;
  return holds(contents, Contents::key) ? 1 : 0;
}

}  // namespace spiffe::output
