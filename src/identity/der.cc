#include "identity/der.hh"

namespace spiffe::identity {

std::optional<DerReader::Extent> DerReader::extent() const {
  if (rest_.size() < 2) return std::nullopt;
  const auto first = std::to_integer<unsigned>(rest_[1]);
  if (first < 0x80) return first <= rest_.size() - 2 ? std::optional(Extent{2, first}) : std::nullopt;
  const std::size_t count = first & 0x7F;
  // 0x80 is BER's indefinite length; more than four bytes of length exceed any message.
  if (count == 0 || count > 4 || rest_.size() < 2 + count) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i) length = length << 8 | std::to_integer<std::size_t>(rest_[2 + i]);
  const bool shortest = length >= 0x80 && rest_[2] != std::byte{0};
  if (!shortest || length > rest_.size() - 2 - count) return std::nullopt;
  return Extent{2 + count, length};
}

bool DerReader::next_is(DerTag tag) const {
  return !rest_.empty() && rest_[0] == static_cast<std::byte>(tag);
}

std::optional<DerSpan> DerReader::take_whole(DerTag tag) {
  const auto size = next_is(tag) ? extent() : std::nullopt;
  if (!size) return std::nullopt;
  const DerSpan whole = rest_.first(size->header + size->content);
  rest_ = rest_.subspan(whole.size());
  return whole;
}

std::optional<DerSpan> DerReader::take(DerTag tag) {
  const auto size = next_is(tag) ? extent() : std::nullopt;
  if (!size) return std::nullopt;
  const DerSpan content = rest_.subspan(size->header, size->content);
  rest_ = rest_.subspan(size->header + size->content);
  return content;
}

}  // namespace spiffe::identity
