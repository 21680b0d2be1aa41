#include "identity/jwt_bundles.hh"

#include <utility>

#include "base/text.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

namespace {

class Reader {
 public:
  Reader(const TrustDomain* own, const JwtBundles* previous) : own_(own), previous_(previous) {}

  Result<void> add(const std::string& name, const std::string& jwks) {
    auto domain = TrustDomain::parse_name_or_id(name);
    if (!domain) {
      unreadable(sent_name(name), domain.error());
      return {};
    }
    const JwtBundle* before = previous_ != nullptr ? previous_->find(*domain) : nullptr;
    std::optional<JwtBundle> bundle;
    if (before != nullptr && before->raw() == jwks) {
      bundle = *before;
    } else if (auto parsed = JwtBundle::parse(*domain, jwks)) {
      bundle = *std::move(parsed);
    } else if (own_ != nullptr && *domain == *own_) {
      return fail(parsed.error());
    } else {
      unreadable(domain->name(), parsed.error());
      if (before == nullptr) return {};
      insert(name, *domain, *before);
      return {};
    }
    readable_ = true;
    insert(name, *domain, *std::move(bundle));
    return {};
  }

  Result<JwtBundles> finish() {
    if (own_ != nullptr && result_.find(*own_) == nullptr) {
      return fail(ErrorKind::verification,
                  "the message holds no JWT bundle of our own trust domain " + quote(own_->name()));
    }
    if (!readable_) return fail(first_error_);
    return std::move(result_);
  }

 private:
  void insert(const std::string& name, const TrustDomain& domain, JwtBundle bundle) {
    auto& bundles = result_.bundles;
    const std::size_t count = bundles.size();
    // Names arrive sorted, so most of them belong at the end.
    const auto place = bundles.emplace_hint(bundles.end(), domain, std::move(bundle));
    if (bundles.size() == count) {
      result_.findings.push_back({sent_name(name), "a second JWT bundle for this trust domain is ignored"});
      return;
    }
    for (const std::string& what : place->second.left_out()) {
      result_.findings.push_back({domain.name(), "JWT bundle: " + what});
    }
  }

  void unreadable(std::string subject, Error error) {
    result_.findings.push_back({std::move(subject), "JWT bundle not taken: " + error.message, true});
    if (first_error_.message.empty()) first_error_ = std::move(error);
  }

  const TrustDomain* own_;
  const JwtBundles* previous_;
  JwtBundles result_;
  bool readable_ = false;  // at least one of this message
  Error first_error_;
};

}  // namespace

Result<JwtBundles> JwtBundles::from(const JwtBundlesMaterial& material, const TrustDomain* own,
                                    const JwtBundles* previous) {
  if (material.empty()) return fail(ErrorKind::verification, "the message holds no JWT bundle");
  Reader reader(own, previous);
  for (const auto& [name, jwks] : material) {
    if (auto added = reader.add(name, jwks); !added) return fail(added.error());
  }
  return reader.finish();
}

const JwtBundle* JwtBundles::find(const TrustDomain& trust_domain) const {
  const auto found = bundles.find(trust_domain);
  return found != bundles.end() ? &found->second : nullptr;
}

}  // namespace spiffe::identity
