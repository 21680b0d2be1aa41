// Any bytes as an agent's messages. The first byte selects the reader; the rest is its input, in fields that
// are preceded by their length in two bytes.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include <openssl/pem.h>

#include "base/openssl.hh"
#include "base/text.hh"
#include "identity/x509_context.hh"

namespace {

using namespace spiffe::identity;

// A time at which the seeds are valid.
const spiffe::WallTime kNow(std::chrono::seconds(1767323045));

void require(bool condition) {
  if (!condition) std::abort();
}

// Reads the input from the front; missing fields are empty.
class Input {
 public:
  explicit Input(std::span<const std::byte> data) : rest_(data) {}

  std::uint8_t number() {
    const auto one = take(1);
    return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
  }
  Bytes bytes() {
    const std::size_t high = number();
    const auto field = take(high << 8 | number());
    return {field.begin(), field.end()};
  }
  std::string text() {
    const Bytes raw = bytes();
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> take(std::size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest_;
};

void check_message(const std::string& message) {
  require(!message.empty() && spiffe::escape(message) == message);
}

// Every accessor works for anything that parse() accepts.
void look_at(const Certificate& certificate) {
  require(certificate.x509() != nullptr && certificate.x509_without_key() != nullptr);
  require(spiffe::escape(certificate.subject()) == certificate.subject());
  require(!certificate.serial().empty());
  (void)spiffe::rfc3339(certificate.not_before());
  (void)spiffe::rfc3339(certificate.not_after());
}

void concatenated(std::span<const std::byte> der) {
  const auto parsed = Certificate::parse_concatenated(der);
  const auto bare = Certificate::parse_concatenated(der, Certificate::Keep::der_only);
  require(parsed.has_value() == bare.has_value());
  if (!parsed) return check_message(parsed.error().message);
  Bytes joined;
  for (const Certificate& certificate : *parsed) {
    look_at(certificate);
    joined.insert(joined.end(), certificate.der().begin(), certificate.der().end());
  }
  require(joined == Bytes(der.begin(), der.end()));
  const auto shared = Certificate::parse_concatenated(der, Certificate::Keep::parsed, *parsed);
  require(shared && *shared == *parsed && *bare == *parsed);
}

X509SvidMaterial svid_material(Input& input) {
  X509SvidMaterial material;
  material.spiffe_id = input.text();
  material.certificates = input.bytes();
  material.key = spiffe::SecretBytes(input.bytes());
  material.bundle = input.bytes();
  material.hint = input.text();
  return material;
}

void svid(Input& input) {
  const auto material = svid_material(input);
  std::vector<std::string> warnings;
  const auto parsed = X509Svid::parse(material, warnings);
  if (!parsed) return check_message(parsed.error().message);
  require(!parsed->id.path().empty() && !parsed->chain.empty() && parsed->key == material.key);
  const auto bundle = X509Bundle::parse(parsed->id.trust_domain(), material.bundle);
  if (!bundle) return check_message(bundle.error().message);
  require(bundle->is(material.bundle));
  const auto verified = verify_chain(*parsed, *bundle, kNow);
  if (!verified) check_message(verified.error().error.message);
}

void message(Input& input) {
  X509Selection selection;
  selection.hint = input.text();
  selection.spiffe_id = input.text();
  X509Material material;
  for (std::size_t count = input.number() % 4U; count > 0; --count)
    material.svids.push_back(svid_material(input));
  for (std::size_t count = input.number() % 4U; count > 0; --count) {
    std::string name = input.text();
    material.federated_bundles[std::move(name)] = input.bytes();
  }
  const bool verify = input.number() % 2 == 0;
  const auto first = X509Context::from(material, selection, nullptr, kNow, verify);
  if (!first) return check_message(first.error().error.message);
  for (const Finding& finding : first->findings) check_message(finding.message);
  require(!first->federated.contains(first->bundle.trust_domain));
  // With itself as the previous state, a message has the same result.
  auto second = X509Context::from(material, selection, &*first, kNow, verify);
  require(second && second->svid.chain == first->svid.chain &&
          second->findings.size() == first->findings.size());
  require(second->federated.size() == first->federated.size());
  const auto examined = second->add_further(material, selection, kNow, verify);
  require(second->further.size() <= examined.size() && examined.size() < material.svids.size());
  for (const Finding& finding : second->findings) check_message(finding.message);
}

void pem(std::span<const std::byte> der) {
  const auto certificate = Certificate::parse(der);
  if (!certificate) return check_message(certificate.error().message);
  const std::string text = certificate->pem();
  const spiffe::BioPtr in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  require(PEM_read_bio(in.get(), &name, &header, &data, &size) == 1);
  const auto read = std::as_bytes(std::span(data, static_cast<std::size_t>(size)));
  require(std::string(name) == "CERTIFICATE" && Bytes(read.begin(), read.end()) == certificate->der());
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(std::as_bytes(std::span(data, size)));
  switch (input.number() % 4) {
    case 0:
      concatenated(input.rest());
      break;
    case 1:
      svid(input);
      break;
    case 2:
      message(input);
      break;
    default:
      pem(input.rest());
  }
  (void)spiffe::take_openssl_error();
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spiffe::init_openssl();
  return 0;
}
