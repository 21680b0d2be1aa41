// One tree for HCL, JSON, TOML, YAML, variables and flags: the values as written, with their positions. The
// binder interprets it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"

namespace spiffe::config {

inline constexpr int kMaxDepth = 64;                       // of nested lists and objects
inline constexpr std::size_t kMaxDocumentSize = 1u << 20;  // bytes

// Lines and columns count from 1, columns in characters. Line 0: the value has no position (a flag).
struct Position {
  int line = 0;
  int column = 0;
  bool operator==(const Position&) const = default;
};

struct Entry;

struct Value {
  enum class Kind { null, text, integer, real, boolean, list, object };

  Kind kind = Kind::null;
  Position at;
  std::string text;  // of text: its content; of a number: its spelling ("0644"), which modes and strings need
  bool boolean = false;
  std::vector<Value> items;    // of a list
  std::vector<Entry> entries;  // of an object: in order, duplicates kept

  static Value of_text(std::string text, Position at = {});
  static Value of_integer(std::string spelling, Position at = {});
  static Value of_boolean(bool value, Position at = {});
  static Value of_kind(Kind kind, Position at = {});

  void add(std::string key, Value value);  // to an object; without a position
  // Equal, ignoring positions and quoting.
  [[nodiscard]] bool same_as(const Value& other) const;
};

struct Entry {
  std::string key;
  Position at;                      // of the key
  bool quoted = false;              // HCL: "key" = …
  std::vector<std::string> labels;  // HCL: key "label" { … }
  Value value;
  std::vector<std::string> comments;  // lines to write above it: see comments.hh
};

struct Comment {
  Position at;
  std::string text;  // without the marks; a /* … */ may have several lines
};

enum class Syntax { hcl, json, toml, yaml, setting };  // setting: one key from a flag or a variable

struct Document {
  std::string source;  // file path as given, or "-cert-dir", "SPIFFE_HLP_CERT_DIR"
  Syntax syntax = Syntax::hcl;
  Value root;                     // an object
  std::vector<Comment> comments;  // of HCL, TOML and YAML, in the order of the file
};

// "helper.conf:3:17"; only the source if there is no position. Control characters are escaped.
[[nodiscard]] std::string place(std::string_view source, Position at);

// Kind config, "<place>: <message>".
[[nodiscard]] std::unexpected<Error> fail_at(std::string_view source, Position at, std::string_view message,
                                             std::string hint = {});

// Refuses strings of `object` that are not UTF-8, which `format` cannot represent. Kind config, without a
// place.
[[nodiscard]] Result<void> check_utf8(const Value& object, std::string_view format);

// The kind and value, for messages: `the string "x"`, "the number 5", "true", "a list", "an object".
[[nodiscard]] std::string describe(const Value& value);

// quote(text), truncated after about 60 bytes.
[[nodiscard]] std::string quote_short(std::string_view text);

}  // namespace spiffe::config
