// Just enough DER to parse a key and to find where one certificate ends. Pure; reads only inside the given
// span.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace spiffe::identity {

using DerSpan = std::span<const std::byte>;

enum class DerTag : unsigned char {
  integer = 0x02,
  bit_string = 0x03,
  octet_string = 0x04,
  object_identifier = 0x06,
  sequence = 0x30,
  context_0 = 0xA0,  // [0], constructed
  context_1 = 0xA1,
};

// Reads one element after the other. Lengths must be definite and as short as possible, as DER requires.
class DerReader {
 public:
  explicit DerReader(DerSpan der) : rest_(der) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // Whether the next element has this tag.
  [[nodiscard]] bool next_is(DerTag tag) const;
  // The content of the next element, which is then consumed; nullopt if its tag or length is wrong.
  std::optional<DerSpan> take(DerTag tag);
  // As take(), but with tag and length.
  std::optional<DerSpan> take_whole(DerTag tag);

 private:
  struct Extent {
    std::size_t header = 0;
    std::size_t content = 0;
  };
  [[nodiscard]] std::optional<Extent> extent() const;

  DerSpan rest_;
};

}  // namespace spiffe::identity
