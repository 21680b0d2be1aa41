#include "output/encode_combined.hh"

#include <utility>

#include "output/encode_key.hh"
#include "output/encode_pem.hh"

namespace spiffe::output {

Result<Encoded> encode_combined(const Source& source, const EncodeOptions& options) {
  SecretBytes bytes;
  if (options.combined_order == CombinedOrder::chain_first) append_chain(bytes, source, options);
  if (auto done = append_key(bytes, source.identity.svid.key, options.key_format); !done)
    return fail(done.error());
  if (options.combined_order == CombinedOrder::key_first) append_chain(bytes, source, options);
  return one_file(std::move(bytes));
}

}  // namespace spiffe::output
