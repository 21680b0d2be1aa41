#include "config/convert.hh"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "base/text.hh"
#include "config/binder.hh"
#include "config/comments.hh"
#include "config/hcl_writer.hh"
#include "config/integer.hh"
#include "config/lifecycle.hh"
#include "config/schema.hh"
#include "config/toml_writer.hh"
#include "config/yaml_writer.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

bool is_owner(const Entry& entry, std::span<const Key> keys) {
  return std::ranges::any_of(
      keys, [&](const Key& key) { return key.type == KeyType::owner && key.name == lower(entry.key); });
}

// Owners exist on the machine that writes the files, which may be another one, so they are not looked up.
void forget_owners(Value& object, std::span<const Key> keys) {
  std::erase_if(object.entries, [keys](const Entry& entry) { return is_owner(entry, keys); });
  for (Entry& entry : object.entries) {
    for (const Key& key : keys) {
      if (key.type != KeyType::records || key.name != lower(entry.key)) continue;
      if (entry.value.kind == Kind::object) forget_owners(entry.value, key.item_keys());
      for (Value& item : entry.value.items) forget_owners(item, key.item_keys());
    }
  }
}

// Rebuilds a document that binds without errors, with the names and types of the tables.
class Translator {
 public:
  Translator(const Config& bound, Format to) : bound_(bound), to_(to) {}

  // Adds to `out`, which may already have entries. `section` is "" or "health_checks.".
  void object(std::span<const Key> keys, const std::string& section, const Value& in, Value& out) {
    for (const Entry& each : in.entries) entry(keys, section, each, out);
  }

  std::vector<std::string> left_over;  // comments of entries that were left out

 private:
  void entry(std::span<const Key> keys, const std::string& section, const Entry& in, Value& out) {
    const std::string name = lower(in.key);
    for (const Key& key : keys) {
      if (!key.name.starts_with(section) || in.value.kind == Kind::null) continue;
      const std::string_view rest = key.name.substr(section.size());
      const bool named = rest == name && !rest.contains('.');
      if (named || (!key.alias.empty() && lower(key.alias) == name))
        return known(key, std::string(rest), in, out);
      if (!rest.starts_with(name + ".")) continue;
      Value& inner = place(out, name, in, Kind::object).value;
      // In JSON it may be a list of blocks.
      for (const Value& item : in.value.items) object(keys, section + name + ".", item, inner);
      return object(keys, section + name + ".", in.value, inner);
    }
    left_over.insert(left_over.end(), in.comments.begin(), in.comments.end());
  }

  // The entry of that name, created if necessary, with the comments of `in` added.
  static Entry& place(Value& out, const std::string& name, const Entry& in, Kind kind) {
    auto found = std::ranges::find(out.entries, name, &Entry::key);
    if (found == out.entries.end()) {
      out.add(name, Value::of_kind(kind));
      found = std::prev(out.entries.end());
    }
    found->comments.insert(found->comments.end(), in.comments.begin(), in.comments.end());
    return *found;
  }

  void known(const Key& key, const std::string& name, const Entry& in, Value& out) {
    Entry& entry = place(out, name, in, key.type == KeyType::records ? Kind::list : Kind::null);
    if (key.type == KeyType::records) {
      const bool single = in.value.kind == Kind::object;
      for (const Value& item : single ? std::span(&in.value, 1) : std::span(in.value.items)) {
        entry.value.items.push_back(Value::of_kind(Kind::object));
        object(key.item_keys(), "", item, entry.value.items.back());
      }
      return;
    }
    Value value = scalar(key, in.value);
    // A repeated list is appended to the first one; any other value replaces it.
    if (key.type == KeyType::texts && entry.value.kind == Kind::list) {
      std::ranges::move(value.items, std::back_inserter(entry.value.items));
    } else {
      entry.value = std::move(value);
    }
  }

  // The coming Go helper accepts a mode in YAML only as an integer.
  [[nodiscard]] Value mode(const Value& octal) const {
    return to_ == Format::yaml ? Value::of_integer("0o" + octal.text.substr(1)) : octal;
  }

  [[nodiscard]] Value scalar(const Key& key, Value value) const {
    // Only the configuration itself has keys for modes, not its records.
    if (key.type == KeyType::mode) return mode(key.show(&bound_));
    for (Value& item : value.items) item = scalar(key, item);
    if (value.kind != Kind::integer) return value;
    const auto number = parse_integer(value.text);
    if (key.type == KeyType::number && number) return Value::of_integer(std::to_string(*number));
    return Value::of_text(value.text);
  }

  const Config& bound_;
  Format to_;
};

}  // namespace

Result<Converted> convert(std::string_view text, const std::string& source, Format format, Format to,
                          bool blocks) {
  auto document = read_document(text, source, format);
  if (!document) return fail(document.error());
  Converted out;
  Config config;
  Origins origins;
  Document without_owners = *document;
  forget_owners(without_owners.root, config_keys());
  std::vector<Error> refused;
  Binder(config, origins, out.warnings, refused).bind(without_owners);
  if (blocks) std::ranges::move(resolve_lifecycle(config, origins), std::back_inserter(refused));
  if (!refused.empty()) return fail(all_of(std::move(refused)));

  if (to == Format::by_name) to = document->syntax == Syntax::toml ? Format::hcl : Format::toml;
  std::vector<std::string> last = attach_comments(*document);
  Translator translator(config, to);
  Value root = Value::of_kind(Kind::object);
  translator.object(config_keys(), "", document->root, root);
  if (blocks) use_lifecycle_blocks(root);
  last.insert(last.begin(), translator.left_over.begin(), translator.left_over.end());
  auto written = to == Format::hcl    ? Result<std::string>(to_hcl(root))
                 : to == Format::yaml ? to_yaml(root)
                                      : to_toml(root);
  if (!written) return fail(Error{ErrorKind::config, place(source, {}) + ": " + written.error().message});
  out.text = *std::move(written);
  if (!last.empty() && !out.text.empty()) out.text += '\n';
  out.text += comment_text(last);
  return out;
}

}  // namespace spiffe::config
