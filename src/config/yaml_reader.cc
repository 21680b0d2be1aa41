#include "config/yaml_reader.hh"

#include <map>
#include <utility>
#include <vector>

#include <yaml.h>

#include "base/text.hh"
#include "config/text_cursor.hh"
#include "config/yaml_comments.hh"
#include "config/yaml_error.hh"
#include "config/yaml_scalar.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

// The limit for all values together, including copies by anchors and aliases; in bytes, plus a fixed cost for
// each value.
constexpr std::size_t kMaxCost = std::size_t{4} << 20;
constexpr std::size_t kValueCost = 64;
// libyaml compares every %TAG directive with all others.
constexpr int kMaxDirectives = 20;

std::string_view text_of(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

std::size_t cost_of(const Value& value) {
  std::size_t cost = kValueCost + value.text.size();
  for (const Value& item : value.items) cost += cost_of(item);
  for (const Entry& entry : value.entries) cost += entry.key.size() + cost_of(entry.value);
  return cost;
}

class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&raw_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // Replaces the current event by the next one; false after an error.
  bool read(yaml_parser_t& parser) {
    yaml_event_delete(&raw_);
    return yaml_parser_parse(&parser, &raw_) == 1;
  }
  [[nodiscard]] yaml_event_type_t type() const { return raw_.type; }
  [[nodiscard]] const yaml_event_t& raw() const { return raw_; }

 private:
  yaml_event_t raw_{};
};

class YamlReader {
 public:
  YamlReader(std::string_view text, std::string_view source) : text_(text), source_(source), places_(text) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~YamlReader() { yaml_parser_delete(&parser_); }
  YamlReader(const YamlReader&) = delete;
  YamlReader& operator=(const YamlReader&) = delete;

  // The value of the only document; null if there is none.
  Result<Value> whole() {
    if (!ready_) return fail_at(source_, {}, "not enough memory to read it");
    if (auto good = check_directives(); !good) return fail(good.error());
    if (auto good = next(); !good) return fail(good.error());  // the stream begins
    if (auto good = next(); !good) return fail(good.error());
    if (event_.type() == YAML_STREAM_END_EVENT) return Value::of_kind(Kind::null, {1, 1});
    if (auto good = next(); !good) return fail(good.error());
    auto root = node();
    if (!root) return root;
    if (auto good = next(); !good) return fail(good.error());  // the document ends
    if (auto good = next(); !good) return fail(good.error());
    if (event_.type() != YAML_STREAM_END_EVENT)
      return refuse(here(), "a second document begins here", "a configuration is one document");
    return root;
  }

  [[nodiscard]] std::vector<Comment> comments() const { return yaml_comments(text_, scalars_); }

 private:
  struct Anchored {
    Value value;
    std::size_t cost;
  };

  [[nodiscard]] Position here() const { return places_.of(event_.raw().start_mark); }
  [[nodiscard]] std::unexpected<Error> refuse(Position at, std::string_view message,
                                              std::string hint = {}) const {
    return fail_at(source_, at, message, std::move(hint));
  }

  Result<void> next() {
    if (event_.read(parser_)) return {};
    return yaml_error(parser_, text_, places_, source_);
  }

  Result<void> check_directives() const {
    int count = text_.starts_with('%') ? 1 : 0;
    for (std::size_t at = text_.find("\n%"); at != std::string_view::npos; at = text_.find("\n%", at + 1)) {
      if (++count > kMaxDirectives)
        return fail_at(source_, {1, 1}, "more lines begin with % than a configuration can need");
    }
    return {};
  }

  Result<void> spend(Position at, std::size_t cost) {
    cost_ += cost;
    if (cost_ <= kMaxCost) return {};
    return refuse(at, "more values than a configuration can need",
                  anchors_.empty() ? "" : "an alias copies all that its anchor names: write the values out");
  }

  // The value that begins with the current event; afterwards its last event is the current one.
  Result<Value> node() {
    const Position at = here();
    if (auto good = spend(at, kValueCost); !good) return fail(good.error());
    switch (event_.type()) {
      case YAML_ALIAS_EVENT:
        return alias(at);
      case YAML_SCALAR_EVENT: {
        const std::string anchor(text_of(event_.raw().data.scalar.anchor));
        return remember(anchor, at, scalar(at));
      }
      case YAML_SEQUENCE_START_EVENT: {
        const auto& start = event_.raw().data.sequence_start;
        if (start.tag != nullptr) return refuse_tag(at, text_of(start.tag));
        const std::string anchor(text_of(start.anchor));
        anchors_.erase(anchor);
        return remember(anchor, at, list(at));
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& start = event_.raw().data.mapping_start;
        if (start.tag != nullptr) return refuse_tag(at, text_of(start.tag));
        const std::string anchor(text_of(start.anchor));
        anchors_.erase(anchor);
        return remember(anchor, at, object(at));
      }
      default:
        return refuse(at, "expected a value");
    }
  }

  [[nodiscard]] std::unexpected<Error> refuse_tag(Position at, std::string_view tag) const {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    const std::string shown =
        tag.starts_with(kCore) ? "!!" + std::string(tag.substr(kCore.size())) : std::string(tag);
    return refuse(at, "a configuration has no tags, found " + quote_short(shown), "leave it out");
  }

  Result<Value> remember(const std::string& anchor, Position at, Result<Value> value) {
    if (!value || anchor.empty()) return value;
    const std::size_t cost = cost_of(*value);
    if (auto good = spend(at, cost); !good) return fail(good.error());
    anchors_.insert_or_assign(anchor, Anchored{*value, cost});
    return value;
  }

  Result<Value> alias(Position at) {
    const std::string name(text_of(event_.raw().data.alias.anchor));
    const auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      return refuse(at, "the alias " + quote_short("*" + name) + " names no value that is complete here",
                    "quote it if it is a string");
    }
    if (auto good = spend(at, found->second.cost); !good) return fail(good.error());
    Value value = found->second.value;
    value.at = at;
    return value;
  }

  // The text of the current event, which cannot contain a comment.
  Result<std::string> scalar_text(Position at) {
    const yaml_event_t& raw = event_.raw();
    const auto& scalar = raw.data.scalar;
    std::string text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (auto good = spend(at, text.size()); !good) return fail(good.error());
    std::size_t begin = raw.start_mark.index;
    // A comment may follow the indicator of a block scalar.
    if (scalar.style == YAML_LITERAL_SCALAR_STYLE || scalar.style == YAML_FOLDED_SCALAR_STYLE)
      begin = places_.next_line(begin);
    if (begin < raw.end_mark.index) scalars_.push_back({begin, raw.end_mark.index});
    return text;
  }

  Result<Value> scalar(Position at) {
    constexpr std::string_view kText = "tag:yaml.org,2002:str";
    const auto& scalar = event_.raw().data.scalar;
    const std::string_view tag = text_of(scalar.tag);
    if (!tag.empty() && tag != kText && tag != "!") return refuse_tag(at, tag);
    const bool plain = tag.empty() && scalar.style == YAML_PLAIN_SCALAR_STYLE;
    auto text = scalar_text(at);
    if (!text) return fail(text.error());
    return plain ? plain_yaml_value(*text, source_, at) : Value::of_text(*std::move(text), at);
  }

  Result<Value> list(Position at) {
    if (++depth_ > kMaxDepth) return refuse(at, "more than " + std::to_string(kMaxDepth) + " levels deep");
    Value out = Value::of_kind(Kind::list, at);
    for (;;) {
      if (auto good = next(); !good) return fail(good.error());
      if (event_.type() == YAML_SEQUENCE_END_EVENT) break;
      auto item = node();
      if (!item) return item;
      out.items.push_back(*std::move(item));
    }
    --depth_;
    return out;
  }

  Result<Value> object(Position at) {
    if (++depth_ > kMaxDepth) return refuse(at, "more than " + std::to_string(kMaxDepth) + " levels deep");
    Value out = Value::of_kind(Kind::object, at);
    std::map<std::string, Position> seen;
    for (;;) {
      if (auto good = next(); !good) return fail(good.error());
      if (event_.type() == YAML_MAPPING_END_EVENT) break;
      Entry entry;
      if (auto good = key(entry); !good) return fail(good.error());
      const auto [first, is_new] = seen.emplace(entry.key, entry.at);
      if (!is_new) {
        return refuse(
            entry.at,
            quote_short(entry.key) + " is given twice, first in line " + std::to_string(first->second.line),
            "YAML takes a key once");
      }
      if (auto good = next(); !good) return fail(good.error());
      auto value = node();
      if (!value) return value;
      entry.value = *std::move(value);
      out.entries.push_back(std::move(entry));
    }
    --depth_;
    return out;
  }

  Result<void> key(Entry& entry) {
    entry.at = here();
    if (event_.type() != YAML_SCALAR_EVENT)
      return refuse(entry.at, "a key must be a word", "quote it if it begins with *, [ or {");
    const auto& scalar = event_.raw().data.scalar;
    if (scalar.tag != nullptr) return refuse_tag(entry.at, text_of(scalar.tag));
    const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    auto text = scalar_text(entry.at);
    if (!text) return fail(text.error());
    if (plain && text->empty()) return refuse(entry.at, "expected a key before the colon");
    if (plain && *text == "<<")
      return refuse(entry.at, "merge keys (<<) are not supported", "write the keys out");
    entry.key = *std::move(text);
    entry.quoted = !plain;
    return {};
  }

  std::string_view text_;
  std::string_view source_;
  YamlPlaces places_;
  yaml_parser_t parser_{};
  bool ready_ = false;
  Event event_;
  std::map<std::string, Anchored> anchors_;
  std::vector<TextRange> scalars_;
  std::size_t cost_ = 0;
  int depth_ = 0;
};

// A text without any "key: value" is parsed as one string.
std::string hint_for_root(const Value& root) {
  if (root.kind != Kind::text) return {};
  const std::size_t colon = root.text.find(':');
  if (colon != std::string::npos) return "a key ends with a colon and a space: key: value";
  return "write it as key: value";
}

}  // namespace

Result<Value> parse_yaml_value(std::string_view text, std::string_view source) {
  if (auto good = check_text(text, source); !good) return fail(good.error());
  return YamlReader(text, source).whole();
}

Result<Document> parse_yaml(std::string_view text, std::string source) {
  if (auto good = check_text(text, source); !good) return fail(good.error());
  YamlReader reader(text, source);
  auto root = reader.whole();
  if (!root) return fail(root.error());
  if (root->kind == Kind::null) root = Value::of_kind(Kind::object, root->at);
  if (root->kind != Kind::object) {
    return fail_at(source, root->at, "a YAML configuration is a mapping of keys, found " + describe(*root),
                   hint_for_root(*root));
  }
  auto comments = reader.comments();
  return Document{std::move(source), Syntax::yaml, *std::move(root), std::move(comments)};
}

}  // namespace spiffe::config
