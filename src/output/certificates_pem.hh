// Certificates as PEM. Pure.
#pragma once

#include <string_view>

#include "base/secret.hh"
#include "identity/certificate.hh"
#include "output/pem.hh"

namespace spiffe::output {

// `certificates`: a range of identity::Certificate, in the order of the blocks.
template <class Range>
void append_certificates(SecretBytes& out, const Range& certificates) {
  constexpr std::string_view kLabel = "CERTIFICATE";
  std::size_t size = out.size();
  for (const identity::Certificate& c : certificates) size += pem_size(kLabel, c.der().size());
  out.reserve(size);
  for (const identity::Certificate& c : certificates) append_pem(out, kLabel, c.der());
}

}  // namespace spiffe::output
