// Convert a value of the document to a value of the configuration, one reader for each type. Each has
//   Type, kType, value_name()             the result, and its name in help texts
//   read(const Reading&) -> Result<Type>  errors begin with the place and the key
//   show(const Type&) -> Value            the value as it would be written, null if it is not set
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.hh"
#include "config/config.hh"
#include "config/document.hh"
#include "config/warning.hh"

namespace spiffe::config {

enum class KeyType {
  text,
  boolean,
  number,
  mode,
  signal,
  duration,
  choice,
  owner,
  texts,
  arguments,
  records
};

// A value to convert.
struct Reading {
  std::string_view key;  // for messages: "cert_dir", "jwt_svids[0].jwt_audience"
  const Value& value;
  std::string_view source;
  Syntax syntax;
  std::vector<Warning>& warnings;

  [[nodiscard]] std::string place() const { return config::place(source, value.at); }
  // "<place>: <key> <message>".
  [[nodiscard]] std::unexpected<Error> refuse(std::string_view message, std::string hint = {}) const;
  // "<place>: <key> must be <wanted>, not <what was found>".
  [[nodiscard]] std::unexpected<Error> must_be(std::string_view wanted, std::string hint = {}) const;
  // "<place>: <key>: <what the error says>", with its hint.
  [[nodiscard]] std::unexpected<Error> refuse_for(const Error& error) const;
  // "<key><message>".
  void warn(std::string_view message, std::string_view hint = {}) const;
};

struct Text {
  using Type = std::string;
  static constexpr KeyType kType = KeyType::text;
  static constexpr std::string_view value_name() { return "TEXT"; }
  static Result<std::string> read(const Reading& in);
  static Value show(const std::string& value) { return Value::of_text(value); }
};

// A string that differs from Text only in help texts.
template <class Tag>
struct TextAs : Text {
  static constexpr std::string_view value_name() { return Tag::kName; }
};
struct NameTag {
  static constexpr std::string_view kName = "NAME";
};
struct PathTag {
  static constexpr std::string_view kName = "PATH";
};
using Name = TextAs<NameTag>;
using Path = TextAs<PathTag>;

struct Flag {
  using Type = bool;
  static constexpr KeyType kType = KeyType::boolean;
  static constexpr std::string_view value_name() { return ""; }
  static Result<bool> read(const Reading& in);
  static Value show(bool value) { return Value::of_boolean(value); }
};

// 0 means the default, as in the Go helper.
struct Port {
  using Type = std::uint16_t;
  static constexpr KeyType kType = KeyType::number;
  static constexpr std::string_view value_name() { return "PORT"; }
  static Result<std::uint16_t> read(const Reading& in);
  static Value show(std::uint16_t value) { return Value::of_integer(std::to_string(value)); }
};

struct Signal {
  using Type = int;
  static constexpr KeyType kType = KeyType::signal;
  static constexpr std::string_view value_name() { return "SIGNAL"; }
  static Result<int> read(const Reading& in);  // "" is 0, not set
  static Value show(int value);
};

enum class Zero { allowed, refused };
[[nodiscard]] Result<std::chrono::nanoseconds> read_duration(const Reading& in, Zero zero);
[[nodiscard]] Value show_duration(std::chrono::nanoseconds value);

template <Zero zero = Zero::allowed>
struct Duration {
  using Type = std::chrono::nanoseconds;
  static constexpr KeyType kType = KeyType::duration;
  static constexpr std::string_view value_name() { return "DURATION"; }
  static Result<Type> read(const Reading& in) { return read_duration(in, zero); }
  static Value show(Type value) { return show_duration(value); }
};

struct User {
  using Type = std::optional<uid_t>;
  static constexpr KeyType kType = KeyType::owner;
  static constexpr std::string_view value_name() { return "USER"; }
  static Result<Type> read(const Reading& in);
  static Value show(const Type& value);
};
struct Group {
  using Type = std::optional<gid_t>;
  static constexpr KeyType kType = KeyType::owner;
  static constexpr std::string_view value_name() { return "GROUP"; }
  static Result<Type> read(const Reading& in);
  static Value show(const Type& value);
};

struct Id {
  using Type = std::optional<identity::SpiffeId>;
  static constexpr KeyType kType = KeyType::text;
  static constexpr std::string_view value_name() { return "ID"; }
  static Result<Type> read(const Reading& in);  // "" is not set
  static Value show(const Type& value);
};

struct Texts {
  using Type = std::vector<std::string>;
  static constexpr KeyType kType = KeyType::texts;
  static constexpr std::string_view value_name() { return "LIST"; }
  static Result<Type> read(const Reading& in);
  static Value show(const Type& value);
};

// A string, split as described in csv_args.hh, or a list of strings, used unchanged.
struct Arguments : Texts {
  static constexpr KeyType kType = KeyType::arguments;
  static constexpr std::string_view value_name() { return "ARGS"; }
  static Result<Type> read(const Reading& in);
};

// One of several words. Words<E> lists them: kWords[i] is static_cast<E>(i).
template <class E>
struct Words;

[[nodiscard]] Result<std::size_t> read_word(const Reading& in, std::span<const std::string_view> words);

template <class E>
struct Choice {
  using Type = E;
  static constexpr KeyType kType = KeyType::choice;
  static constexpr std::string_view value_name() { return "WORD"; }
  static constexpr std::span<const std::string_view> words() { return Words<E>::kWords; }
  static Result<E> read(const Reading& in) {
    const auto index = read_word(in, Words<E>::kWords);
    if (!index) return fail(index.error());
    return static_cast<E>(*index);
  }
  static Value show(E value) {
    return Value::of_text(std::string(Words<E>::kWords[static_cast<std::size_t>(value)]));
  }
};

template <class Reader>
struct Optional {
  using Type = std::optional<typename Reader::Type>;
  static constexpr KeyType kType = Reader::kType;
  static constexpr std::string_view value_name() { return Reader::value_name(); }
  static constexpr auto words()
    requires requires { Reader::words(); }
  {
    return Reader::words();
  }
  static Result<Type> read(const Reading& in) {
    auto value = Reader::read(in);
    if (!value) return fail(value.error());
    return Type(*std::move(value));
  }
  static Value show(const Type& value) { return value ? Reader::show(*value) : Value(); }
};

template <class Reader>
struct ListOf {
  using Type = std::vector<typename Reader::Type>;
  static constexpr KeyType kType = KeyType::texts;
  static constexpr std::string_view value_name() { return "LIST"; }
  static Result<Type> read(const Reading& in) {
    if (in.value.kind != Value::Kind::list) return in.must_be("a list of words");
    Type out;
    for (const Value& item : in.value.items) {
      auto one = Reader::read({in.key, item, in.source, in.syntax, in.warnings});
      if (!one) return fail(one.error());
      out.push_back(*std::move(one));
    }
    return out;
  }
  static Value show(const Type& values) {
    Value list = Value::of_kind(Value::Kind::list);
    for (const auto& value : values) list.items.push_back(Reader::show(value));
    return list;
  }
};

// The agent's socket, and the source of its address.
[[nodiscard]] Result<Endpoint> read_address(const Reading& in);

}  // namespace spiffe::config
