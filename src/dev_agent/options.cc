#include "dev_agent/options.hh"

#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/text.hh"

namespace spiffe::dev_agent {

namespace {

using namespace std::chrono_literals;

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// "ms" before "m": the first match is used.
constexpr std::array kUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                               Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
constexpr double kLongest = 100.0 * 365 * 24 * 3600e9;

// Takes one "<number><unit>" from the front of `text`; a negative result: there is none.
double take_part(std::string_view& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(value)) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return value * unit.nanoseconds;
  }
  return -1;
}

Result<std::chrono::seconds> lifetime(std::string_view flag, std::string_view text) {
  const auto value = parse_duration(text);
  if (!value) return fail(context(flag, value.error()));
  if (*value < 1s) return fail(ErrorKind::usage, std::string(flag) + ": a second is the least");
  return std::chrono::duration_cast<std::chrono::seconds>(*value);
}

std::string absolute(const std::string& path) {
  std::error_code ignored;
  return path.empty() ? path : std::filesystem::absolute(path, ignored).string();
}

Result<std::vector<Identity>> identities(const Flags& flags, const identity::TrustDomain& trust_domain) {
  std::vector<Identity> out;
  const std::vector<std::string> standard = {"/workload"};
  for (const std::string& text : flags.ids.empty() ? standard : flags.ids) {
    auto id = parse_identity(text, trust_domain);
    if (!id) return fail(context("-id " + text, id.error()));
    out.push_back(*std::move(id));
  }
  return out;
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return 0ns;
  double total = 0;
  std::string_view rest = text;
  do {
    const double part = take_part(rest);
    if (part < 0)
      return fail(ErrorKind::usage, quote(text) + " is not a duration", "for example 90s or 1h30m");
    total += part;
  } while (!rest.empty());
  if (total > kLongest) return fail(ErrorKind::usage, quote(text) + " is more than a hundred years");
  return std::chrono::nanoseconds(std::llround(total));
}

Result<Identity> parse_identity(std::string_view text, const identity::TrustDomain& trust_domain) {
  constexpr std::string_view kHint = ",hint=";
  std::string hint;
  if (const std::size_t at = text.find(kHint); at != std::string_view::npos) {
    hint = text.substr(at + kHint.size());
    text = text.substr(0, at);
  }
  std::string uri(text);
  if (text.find("://") == std::string_view::npos) {
    uri = trust_domain.id() + (text.starts_with('/') ? "" : "/") + uri;
  }
  auto id = identity::SpiffeId::parse(uri);
  if (!id) return fail(ErrorKind::usage, id.error().message);
  if (id->trust_domain() != trust_domain) {
    return fail(ErrorKind::usage, "is not in the trust domain " + trust_domain.name(), "see -trust-domain");
  }
  if (id->path().empty()) return fail(ErrorKind::usage, "an SVID's SPIFFE ID needs a path");
  return Identity{*std::move(id), std::move(hint)};
}

Result<Options> Options::from(const Flags& flags) {
  auto trust_domain = identity::TrustDomain::parse_name_or_id(flags.trust_domain);
  if (!trust_domain) return fail(ErrorKind::usage, "-trust-domain: " + trust_domain.error().message);
  auto ids = identities(flags, *trust_domain);
  if (!ids) return fail(ids.error());
  const auto ttl = lifetime("-ttl", flags.ttl);
  if (!ttl) return fail(ttl.error());
  const auto jwt_ttl = lifetime("-jwt-ttl", flags.jwt_ttl);
  if (!jwt_ttl) return fail(jwt_ttl.error());
  const auto rotate = flags.rotate_every.empty() ? Result<std::chrono::nanoseconds>(*ttl / 2)
                                                 : parse_duration(flags.rotate_every);
  if (!rotate) return fail(context("-rotate-every", rotate.error()));
  const auto key_type = parse_key_type(flags.key_type);
  if (!key_type) return fail(context("-key-type", key_type.error()));
  if (flags.federated < 0) return fail(ErrorKind::usage, "-federated: less than none");
  std::optional<FaultRequest> fault;
  if (!flags.fault.empty()) {
    const auto parsed = parse_fault(flags.fault);
    if (!parsed) return fail(context("-fault", parsed.error()));
    fault = *parsed;
  }
  // Absolute, because users copy the printed address to clients.
  return Options{absolute(flags.socket),
                 absolute(flags.control),
                 *std::move(trust_domain),
                 *std::move(ids),
                 *ttl,
                 *jwt_ttl,
                 *rotate,
                 static_cast<std::size_t>(flags.federated),
                 *key_type,
                 flags.intermediate,
                 flags.cross_signed_root,
                 fault,
                 flags.send_log,
                 flags.quiet};
}

}  // namespace spiffe::dev_agent
