// Walks a document with the tables of schema.hh and fills the configuration.
//
// Keys match in any case. An unknown key is an error, or a warning if the Go helper accepts it: inside
// health_checks (not in YAML), and if HCL quotes it. If a scalar is given twice, the last one wins; lists are
// appended. A camelCase alias causes a warning; an alias together with its new name is an error. JSON null
// counts as absent.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hh"
#include "config/key.hh"
#include "config/warning.hh"

namespace spiffe::config {

// The position of a key and its value, for errors found later.
struct Origin {
  std::string key;    // place of the key: "helper.conf:3:1"
  std::string value;  // place of its value: "helper.conf:3:12"
};
// By full name: "cert_dir", "health_checks", "health_checks.bind_port", "jwt_svids[0].hint". No entry: the
// value is the default.
using Origins = std::map<std::string, Origin, std::less<>>;

class Binder {
 public:
  // The caller owns all of them. Errors of entries that cannot be used are added to `refused`, and these
  // entries are skipped.
  Binder(Config& config, Origins& origins, std::vector<Warning>& warnings, std::vector<Error>& refused)
      : config_(config), origins_(origins), warnings_(warnings), refused_(refused) {}

  // Later documents override earlier ones, key by key; a list of a later document replaces the earlier list.
  // After 20 refused entries, the rest of the document is skipped.
  void bind(const Document& document);

 private:
  // One object of the document: the record that it fills, the table of its keys, and the prefix of their
  // names.
  struct Scope {
    void* record;
    std::span<const Key> keys;
    std::string prefix;          // of full names: "", "jwt_svids[0]."
    std::string section;         // within `keys`: "", "health_checks."
    std::set<std::string> seen;  // names and aliases so far
  };

  void object(Scope& scope, const Value& object);
  Result<void> entry(Scope& scope, const Entry& entry);
  Result<void> section(const Scope& scope, const Entry& entry, std::string_view name);
  Result<void> known(Scope& scope, const Entry& entry, const Key& key, bool by_alias);
  Result<void> alias(Scope& scope, const Entry& entry, const Key& key, bool by_alias);
  Result<void> one_value(const Scope& scope, const Entry& entry, const Key& key, const std::string& name);
  Result<void> record_list(const Scope& scope, const Entry& entry, const Key& key, const std::string& name);
  Result<void> unknown(const Scope& scope, const Entry& entry);
  [[nodiscard]] Reading reading(std::string_view name, const Value& value) const;

  Config& config_;
  Origins& origins_;
  std::vector<Warning>& warnings_;
  std::vector<Error>& refused_;
  const Document* document_ = nullptr;
  std::set<std::string> filled_;  // keys that this document has set, lists that it has begun to fill
};

}  // namespace spiffe::config
