#include "output/encode_envoy_sds.hh"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "output/certificates_pem.hh"
#include "output/pem.hh"
#include "output/trust_domains.hh"

namespace spiffe::output {

namespace {

// Appends `text`, indented as the content of a YAML block. A key passes through no other buffer.
void append_block(SecretBytes& out, std::size_t indent, const SecretBytes& text) {
  const std::string space(indent, ' ');
  std::string_view rest = text.text();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    out.append(space);
    out.append(rest.substr(0, end));
    rest.remove_prefix(end);
  }
}

// The same for these certificates.
void append_block(SecretBytes& out, std::size_t indent,
                  const std::vector<identity::Certificate>& certificates) {
  SecretBytes text;
  append_certificates(text, certificates);
  append_block(out, indent, text);
}

void append_secret(SecretBytes& out, std::string_view name) {
  out.append(
      "resources:\n"
      "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
      "  name: ");
  out.append(name);
  out.append("\n");
}

SecretBytes certificate_secret(const identity::X509Svid& svid) {
  SecretBytes key;
  append_pem(key, "PRIVATE KEY", svid.key.bytes());
  SecretBytes out;
  append_secret(out, kEnvoyCertificate);
  out.append(
      "  tls_certificate:\n"
      "    certificate_chain:\n"
      "      inline_string: |\n");
  append_block(out, 8, svid.chain);
  out.append(
      "    private_key:\n"
      "      inline_string: |\n");
  append_block(out, 8, key);
  return out;
}

SecretBytes validation_secret(const AuthoritiesByDomain& domains) {
  SecretBytes out;
  append_secret(out, kEnvoyValidation);
  out.append(
      "  validation_context:\n"
      "    custom_validator_config:\n"
      "      name: envoy.tls.cert_validator.spiffe\n"
      "      typed_config:\n"
      "        \"@type\": "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig\n"
      "        trust_domains:\n");
  for (const auto& [domain, authorities] : domains) {
    // Quoted, because "true" and "1e3" are trust domains. No name contains a character that needs an escape.
    out.append("        - name: \"");
    out.append(domain.name());
    out.append(
        "\"\n"
        "          trust_bundle:\n"
        "            inline_string: |\n");
    append_block(out, 14, authorities);
  }
  return out;
}

}  // namespace

Result<Encoded> encode_envoy_sds(const Source& source, const EncodeOptions& options) {
  Encoded out;
  out.push_back({"svid.yaml", certificate_secret(source.identity.svid)});
  out.push_back({"validation.yaml", validation_secret(authorities_by_domain(source, options))});
  return out;
}

}  // namespace spiffe::output
