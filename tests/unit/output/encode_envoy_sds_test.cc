#include "output/encode_envoy_sds.hh"

#include "output/pem.hh"
#include "support/catch.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

std::string indented(std::string_view label, std::span<const std::byte> der, std::size_t by) {
  SecretBytes text;
  append_pem(text, label, der);
  std::string out;
  bool fresh = true;
  for (const char c : text.text()) {
    if (fresh) out.append(by, ' ');
    out += c;
    fresh = c == '\n';
  }
  return out;
}

}  // namespace

TEST_CASE("Envoy's secrets are inline: certificate with key, and one validator entry per trust domain") {
  const pki::Ca root;
  const pki::Ca own = root.intermediate();
  const pki::Ca other;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.federated_bundles["spiffe://true"] = other.der();
  const auto context = context_of(material);
  REQUIRE(context.svid.chain.size() == 2);
  // The intermediates belong to the chain, even if other outputs have them elsewhere.
  const auto encoded =
      encode_envoy_sds({.identity = context, .now = wall_now()}, {.add_intermediates_to_bundle = true});
  REQUIRE(encoded);
  REQUIRE(encoded->size() == 2);
  CHECK(encoded->at(0).name == "svid.yaml");
  CHECK(encoded->at(0).bytes.text() ==
        "resources:\n"
        "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
        "  name: default\n"
        "  tls_certificate:\n"
        "    certificate_chain:\n"
        "      inline_string: |\n" +
            indented("CERTIFICATE", context.svid.chain[0].der(), 8) +
            indented("CERTIFICATE", context.svid.chain[1].der(), 8) +
            "    private_key:\n"
            "      inline_string: |\n" +
            indented("PRIVATE KEY", context.svid.key.bytes(), 8));
  CHECK(encoded->at(1).name == "validation.yaml");
  CHECK(encoded->at(1).bytes.text() ==
        "resources:\n"
        "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
        "  name: ALL\n"
        "  validation_context:\n"
        "    custom_validator_config:\n"
        "      name: envoy.tls.cert_validator.spiffe\n"
        "      typed_config:\n"
        "        \"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig\n"
        "        trust_domains:\n"
        "        - name: \"example.org\"\n"
        "          trust_bundle:\n"
        "            inline_string: |\n" +
            indented("CERTIFICATE", root.der(), 14) +
            "        - name: \"true\"\n"
            "          trust_bundle:\n"
            "            inline_string: |\n" +
            indented("CERTIFICATE", other.der(), 14));
}

}  // namespace spiffe::output::test
