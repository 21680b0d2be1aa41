#include "identity/spiffe_id.hh"

#include "base/text.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

namespace {

constexpr std::string_view kScheme = "spiffe";
constexpr std::size_t kMaxTrustDomain = 255;
constexpr std::size_t kMaxUri = 2048;

std::unexpected<Error> invalid(std::string_view what, std::string_view text, std::string_view rule) {
  return fail(ErrorKind::verification,
              "invalid " + std::string(what) + " " + shown(text) + ": " + std::string(rule));
}

bool segment_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_';
}

bool trust_domain_character(char c) {
  return segment_character(c) && !(c >= 'A' && c <= 'Z');
}

// The whole UTF-8 character at `at`, quoted; or only the byte if it is not valid UTF-8.
std::string character_at(std::string_view text, std::size_t at) {
  const std::size_t n = utf8_length(text.substr(at));
  return quote(text.substr(at, n == 0 ? 1 : n));
}

// The rule of the trust domain's alphabet that is broken by the character at `at`.
std::string trust_domain_rule(std::string_view name, std::size_t at) {
  const char c = name[at];
  if (c >= 'A' && c <= 'Z') return "the trust domain must be lower-case";
  if (name.find('@') != std::string_view::npos) return "user info is not allowed";
  if (c == '[') return "an IPv6 literal is not allowed as trust domain";
  if (c == ':') return "a port is not allowed";
  if (c == '%') return "percent-encoding is not allowed";
  return "the trust domain may hold only a-z, 0-9, '-', '.' and '_', not " + character_at(name, at);
}

// The rule that `name` breaks as a trust domain; "" if it is valid.
std::string check_trust_domain(std::string_view name) {
  if (name.empty()) return "the trust domain is empty";
  if (name.size() > kMaxTrustDomain) {
    return "the trust domain has " + std::to_string(name.size()) + " bytes, more than 255";
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!trust_domain_character(name[i])) return trust_domain_rule(name, i);
  }
  return {};
}

std::string check_segment(std::string_view segment, bool last) {
  if (segment.empty()) {
    return last ? "a trailing slash is not allowed" : "the path has an empty segment";
  }
  if (segment == "." || segment == "..") return "the path has a segment " + quote(segment);
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '%') return "percent-encoding is not allowed";
    if (!segment_character(segment[i])) {
      return "the path may hold only letters, digits, '-', '.' and '_', not " + character_at(segment, i);
    }
  }
  return {};
}

// `path` is "" or begins with a slash.
std::string check_path(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = path.find('/');
    const bool last = end == std::string_view::npos;
    if (std::string rule = check_segment(path.substr(0, end), last); !rule.empty()) return rule;
    path = last ? std::string_view() : path.substr(end);
  }
  return {};
}

}  // namespace

Result<TrustDomain> TrustDomain::parse(std::string_view name) {
  if (const std::string rule = check_trust_domain(name); !rule.empty()) {
    return invalid("trust domain", name, rule);
  }
  return TrustDomain(std::string(name));
}

Result<TrustDomain> TrustDomain::parse_name_or_id(std::string_view text) {
  if (text.find("://") == std::string_view::npos) return parse(text);
  auto id = SpiffeId::parse(text);
  if (!id) return std::unexpected(std::move(id).error());
  if (!id->path().empty()) return invalid("trust domain", text, "the ID of a trust domain has no path");
  return id->trust_domain();
}

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  const auto refuse_id = [uri](std::string_view rule) { return invalid("SPIFFE ID", uri, rule); };
  if (uri.empty()) return refuse_id("it is empty");
  if (uri.size() > kMaxUri) {
    return refuse_id("it has " + std::to_string(uri.size()) + " bytes, more than 2048");
  }
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || lower(uri.substr(0, colon)) != kScheme) {
    return refuse_id("the scheme must be spiffe");
  }
  std::string_view rest = uri.substr(colon + 1);
  if (!rest.starts_with("//")) return refuse_id("two slashes must follow the scheme");
  rest.remove_prefix(2);
  if (rest.find('?') != std::string_view::npos) return refuse_id("a query is not allowed");
  if (rest.find('#') != std::string_view::npos) return refuse_id("a fragment is not allowed");
  const std::size_t slash = rest.find('/');
  const std::string_view domain = rest.substr(0, slash);
  const std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (const std::string rule = check_trust_domain(domain); !rule.empty()) return refuse_id(rule);
  if (const std::string rule = check_path(path); !rule.empty()) return refuse_id(rule);
  return SpiffeId(TrustDomain(std::string(domain)), std::string(path));
}

bool same_id(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto left = SpiffeId::parse(a);
  const auto right = SpiffeId::parse(b);
  return left && right && *left == *right;
}

}  // namespace spiffe::identity
