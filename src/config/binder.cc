#include "config/binder.hh"

#include <algorithm>

#include "base/text.hh"
#include "config/schema.hh"
#include "config/suggest.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

constexpr std::size_t kMostRefused = 20;  // more would not be read

// The valid names in this scope, for "did you mean".
std::vector<std::string_view> candidates(std::span<const Key> keys, std::string_view section) {
  std::vector<std::string_view> out;
  for (const Key& key : keys) {
    if (!key.name.starts_with(section)) continue;
    const std::string_view rest = key.name.substr(section.size());
    const std::string_view word = rest.substr(0, rest.find('.'));
    if (out.empty() || out.back() != word) out.push_back(word);
  }
  return out;
}

// The keys of start and reload have other names at the top level.
bool is_lifecycle(const Key& key) {
  return key.name.starts_with("start.") || key.name.starts_with("reload.");
}

// The section or list that has the key that is unknown here: "health_checks", "jwt_svids", or "".
std::string_view home_of(std::string_view name) {
  for (const Key& key : config_keys()) {
    if (is_lifecycle(key)) continue;
    const std::size_t dot = key.name.find('.');
    if (dot != std::string_view::npos && key.name.substr(dot + 1) == name) return key.name.substr(0, dot);
    if (key.type != KeyType::records) continue;
    for (const Key& item : key.item_keys()) {
      if (item.name == name) return key.name;
    }
  }
  return {};
}

// `; did you mean "bind_port" in health_checks?` for a misspelt key of a section or record, given at the top
// level.
std::string nested_suggestion(std::string_view name) {
  std::vector<std::string_view> nested;
  for (const Key& key : config_keys()) {
    if (is_lifecycle(key)) continue;
    const std::size_t dot = key.name.find('.');
    if (dot != std::string_view::npos) nested.push_back(key.name.substr(dot + 1));
    if (key.type != KeyType::records) continue;
    for (const Key& item : key.item_keys()) nested.push_back(item.name);
  }
  const std::string_view near = suggest_key(name, nested);
  return near.empty() ? "" : "; did you mean " + quote(near) + " in " + std::string(home_of(near)) + "?";
}

}  // namespace

Reading Binder::reading(std::string_view name, const Value& value) const {
  return {name, value, document_->source, document_->syntax, warnings_};
}

void Binder::bind(const Document& document) {
  document_ = &document;
  filled_.clear();
  Scope scope{&config_, config_keys(), "", "", {}};
  object(scope, document.root);
}

void Binder::object(Scope& scope, const Value& object) {
  for (const Entry& each : object.entries) {
    if (refused_.size() > kMostRefused) return;
    auto bound = entry(scope, each);
    if (bound) continue;
    if (refused_.size() == kMostRefused) {
      bound = fail_at(document_->source, each.at, "this is wrong too, and there may be more",
                      "fix the errors above first");
    }
    refused_.push_back(bound.error());
  }
}

Result<void> Binder::entry(Scope& scope, const Entry& entry) {
  const std::string name = lower(entry.key);
  for (const Key& key : scope.keys) {
    if (!key.name.starts_with(scope.section)) continue;
    const std::string_view rest = key.name.substr(scope.section.size());
    // A dot in a file's key is part of its name. Only TOML nests by dots, and its reader has already done so.
    if (rest == name && !rest.contains('.')) return known(scope, entry, key, false);
    if (!key.alias.empty() && lower(key.alias) == name) return known(scope, entry, key, true);
    if (rest.starts_with(name + ".")) return section(scope, entry, name);
  }
  return unknown(scope, entry);
}

Result<void> Binder::section(const Scope& scope, const Entry& entry, std::string_view name) {
  if (entry.value.kind == Kind::null) return {};
  const auto bind_one = [&](const Value& value) -> Result<void> {
    if (value.kind != Kind::object) {
      return reading(name, value).must_be("an object", "write " + std::string(name) + " { key = value }");
    }
    Scope inner{scope.record, scope.keys, scope.prefix, scope.section + std::string(name) + ".", {}};
    object(inner, value);
    return {};
  };
  if (!entry.labels.empty()) {
    return fail_at(document_->source, entry.at,
                   std::string(name) + " takes no name, found " + quote(entry.labels[0]));
  }
  origins_[scope.prefix + scope.section + std::string(name)] = {place(document_->source, entry.at),
                                                                place(document_->source, entry.value.at)};
  // Tools that convert HCL to JSON wrap every block in a list.
  if (document_->syntax != Syntax::json || entry.value.kind != Kind::list) return bind_one(entry.value);
  for (const Value& item : entry.value.items) {
    if (auto bound = bind_one(item); !bound) return bound;
  }
  return {};
}

Result<void> Binder::known(Scope& scope, const Entry& entry, const Key& key, bool by_alias) {
  const std::string name = scope.prefix + std::string(key.name);
  if (entry.value.kind == Kind::null) return {};
  if (auto good = alias(scope, entry, key, by_alias); !good) return good;
  if (!entry.labels.empty() && key.type != KeyType::records) {
    return fail_at(document_->source, entry.at, name + " is not a block: write " + name + " = value");
  }
  const std::string at = place(document_->source, entry.at);
  if (filled_.contains(name) && key.type != KeyType::texts && key.type != KeyType::records) {
    warnings_.push_back(
        {name + " is given twice: the value here counts, the one at " + origins_[name].key + " does not", at,
         "remove one of them"});
  }
  origins_[name] = {at, place(document_->source, entry.value.at)};
  return key.type == KeyType::records ? record_list(scope, entry, key, name)
                                      : one_value(scope, entry, key, name);
}

Result<void> Binder::alias(Scope& scope, const Entry& entry, const Key& key, bool by_alias) {
  const std::string name(key.name);
  const std::string alias(key.alias);
  const bool first = scope.seen.insert(by_alias ? alias : name).second;
  if (!alias.empty() && scope.seen.contains(alias) && scope.seen.contains(name)) {
    return fail_at(document_->source, entry.at,
                   "use of " + alias + " and " + name + " found, use only " + name);
  }
  if (by_alias && first) {
    warnings_.push_back({alias + " will be deprecated, should be used as " + name,
                         place(document_->source, entry.at), kConvertHint});
  }
  return {};
}

Result<void> Binder::one_value(const Scope& scope, const Entry& entry, const Key& key,
                               const std::string& name) {
  const bool again = !filled_.insert(name).second;
  const Value before = again && key.type == KeyType::texts ? key.show(scope.record) : Value();
  if (auto read = key.read(scope.record, reading(name, entry.value)); !read) return read;
  if (before.items.empty()) return {};
  // If one object has the same list twice, the Go helper appends the second to the first.
  Value both = key.show(scope.record);
  both.items.insert(both.items.begin(), before.items.begin(), before.items.end());
  return key.read(scope.record, reading(name, both));
}

Result<void> Binder::record_list(const Scope& scope, const Entry& entry, const Key& key,
                                 const std::string& name) {
  if (filled_.insert(name).second) key.clear(scope.record);
  const bool single = entry.value.kind == Kind::object;
  if (!single && entry.value.kind != Kind::list)
    return reading(name, entry.value).must_be("a list of objects");
  for (const Value& item : single ? std::span(&entry.value, 1) : std::span(entry.value.items)) {
    const std::string item_name = name + "[" + std::to_string(key.count(scope.record)) + "]";
    if (item.kind != Kind::object) return reading(item_name, item).must_be("an object");
    const Position at = single ? entry.at : item.at;
    origins_[item_name] = {place(document_->source, at), place(document_->source, at)};
    Scope inner{key.append(scope.record), key.item_keys(), item_name + ".", "", {}};
    object(inner, item);
  }
  return {};
}

Result<void> Binder::unknown(const Scope& scope, const Entry& entry) {
  std::string message = "unknown key " + quote_short(entry.key);
  const std::string where = scope.prefix + scope.section;
  if (!where.empty()) message += " in " + where.substr(0, where.size() - 1);
  const std::string name = lower(entry.key);
  const std::string_view home =
      where.empty() ? home_of(name.substr(name.rfind('.') + 1)) : std::string_view();
  const std::string_view near = suggest_key(entry.key, candidates(scope.keys, scope.section));
  if (!home.empty()) {
    message += ": it belongs in " + std::string(home);
  } else if (!near.empty()) {
    message += "; did you mean " + quote(near) + "?";
  } else if (where.empty()) {
    message += nested_suggestion(entry.key);
  }
  const bool quoted = scope.section.empty() && entry.quoted && document_->syntax == Syntax::hcl;
  const bool passes = (scope.section == "health_checks." && document_->syntax != Syntax::yaml) || quoted;
  if (!passes) return fail_at(document_->source, entry.at, message);
  warnings_.push_back({message, place(document_->source, entry.at)});
  return {};
}

}  // namespace spiffe::config
