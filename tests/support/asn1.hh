// Writes DER with any tag and any content, for certificates that no library would make.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace spiffe::test::asn1 {

using Text = std::string;

inline Text element(unsigned char tag, std::string_view content) {
  Text out(1, static_cast<char>(tag));
  const auto size = static_cast<unsigned>(content.size());
  // DER requires the shortest form of a length.
  if (size >= 0x100) {
    out += {static_cast<char>(0x82), static_cast<char>(size >> 8U)};
  } else if (size >= 0x80) {
    out += static_cast<char>(0x81);
  }
  out += static_cast<char>(size);
  return out.append(content);
}

inline Text sequence(std::initializer_list<Text> parts) {
  Text content;
  for (const Text& part : parts) content += part;
  return element(0x30, content);
}

inline Text oid(std::string_view content) {
  return element(0x06, content);
}

inline Text integer(unsigned char content) {
  return element(0x02, Text(1, static_cast<char>(content)));
}

inline Text boolean(bool value) {
  return element(0x01, Text(1, value ? '\xFF' : '\0'));
}

}  // namespace spiffe::test::asn1
