// Any bytes as a SPIFFE ID: an accepted ID obeys the rules and reads back the same from our output.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.hh"
#include "identity/spiffe_id.hh"

namespace {

using spiffe::identity::SpiffeId;
using spiffe::identity::TrustDomain;

void require(bool condition) {
  if (!condition) std::abort();
}

// A message is short and safe to print, whatever the input was.
void check_message(const std::string& message) {
  require(!message.empty() && message.size() < 1024);
  require(spiffe::escape(message) == message);
}

void check_id(std::string_view input) {
  const auto id = SpiffeId::parse(input);
  if (!id) return check_message(id.error().message);
  const std::string text = id->str();
  require(input.size() <= 2048 && text.size() == input.size());
  require(text.starts_with("spiffe://") && text.substr(9) == input.substr(9));
  const auto again = SpiffeId::parse(text);
  require(again && *again == *id && again->str() == text);
  require(id->path().empty() || (id->path().starts_with('/') && !id->path().ends_with('/')));
  require(text.find_first_of("?#%@ \\\"") == std::string::npos);
  const auto domain = TrustDomain::parse(id->trust_domain().name());
  require(domain && *domain == id->trust_domain());
  require(*TrustDomain::parse_name_or_id(domain->id()) == *domain);
}

void check_domain(std::string_view input) {
  const auto domain = TrustDomain::parse(input);
  if (!domain) return check_message(domain.error().message);
  require(domain->name() == input && input.size() <= 255);
  require(*TrustDomain::parse_name_or_id(input) == *domain);
  require(SpiffeId::parse(domain->id())->trust_domain() == *domain);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_id(input);
  check_domain(input);
  if (const auto either = TrustDomain::parse_name_or_id(input); !either)
    check_message(either.error().message);
  return 0;
}
