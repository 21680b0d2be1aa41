#include "output/pem.hh"

#include <algorithm>
#include <array>

#include <openssl/evp.h>

namespace spiffe::output {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----\n";
constexpr std::size_t kLineBytes = 48;  // 64 columns of base64
constexpr std::size_t kLinesAtOnce = 32;

}  // namespace

std::size_t pem_size(std::string_view label, std::size_t der_size) {
  const std::size_t base64 = (der_size + 2) / 3 * 4;
  const std::size_t lines = (der_size + kLineBytes - 1) / kLineBytes;
  return kBegin.size() + kEnd.size() + 2 * (label.size() + kDashes.size()) + base64 + lines;
}

void append_pem(SecretBytes& out, std::string_view label, std::span<const std::byte> der) {
  out.append(kBegin);
  out.append(label);
  out.append(kDashes);
  // EVP_EncodeBlock writes a NUL after each line, which the newline replaces.
  std::array<unsigned char, kLinesAtOnce * 65 + 1> text;
  std::size_t used = 0;
  while (!der.empty()) {
    used = 0;
    for (std::size_t line = 0; line < kLinesAtOnce && !der.empty(); ++line) {
      const std::size_t n = std::min(kLineBytes, der.size());
      const auto* from = reinterpret_cast<const unsigned char*>(der.data());
      used += static_cast<std::size_t>(EVP_EncodeBlock(text.data() + used, from, static_cast<int>(n)));
      text[used++] = '\n';
      der = der.subspan(n);
    }
    out.append(std::as_bytes(std::span(text.data(), used)));
  }
  cleanse(text.data(), text.size());
  out.append(kEnd);
  out.append(label);
  out.append(kDashes);
}

}  // namespace spiffe::output
