// PEM as Go's encoding/pem writes it: 64 columns, no headers, a final newline. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/secret.hh"

namespace spiffe::output {

// The number of bytes that append_pem() adds.
[[nodiscard]] std::size_t pem_size(std::string_view label, std::size_t der_size);

// Appends "-----BEGIN label-----…". Leaves no other copy of `der` or its text behind.
void append_pem(SecretBytes& out, std::string_view label, std::span<const std::byte> der);

}  // namespace spiffe::output
