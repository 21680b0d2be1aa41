#include "output/encode_pem.hh"

#include <ranges>
#include <utility>

#include "output/certificates_pem.hh"
#include "output/selected.hh"

namespace spiffe::output {

void append_chain(SecretBytes& out, const Source& source, const EncodeOptions& options) {
  append_certificates(out, chain_of(source, options));
}

Result<Encoded> encode_chain(const Source& source, const EncodeOptions& options) {
  SecretBytes bytes;
  append_chain(bytes, source, options);
  return one_file(std::move(bytes));
}

Result<Encoded> encode_bundle(const Source& source, const EncodeOptions& options) {
  SecretBytes bytes;
  append_certificates(bytes,
                      authorities_of(source, options) | std::views::transform(&Authority::certificate));
  return one_file(std::move(bytes));
}

}  // namespace spiffe::output
