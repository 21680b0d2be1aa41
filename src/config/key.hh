// A row of the key tables, and its access to a member of the configuration.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "config/readers.hh"

namespace spiffe::config {

struct Key {
  std::string_view name;  // "cert_dir", "health_checks.bind_port"
  KeyType type;
  std::string_view value_name;  // "" for booleans
  std::string_view help;
  // Both take the record that the table describes (Config, JwtSvid …).
  Result<void> (*read)(void* record, const Reading& in);
  Value (*show)(const void* record);
  std::string_view alias = {};                   // the camelCase name of v0.6
  std::span<const std::string_view> words = {};  // KeyType::choice only

  // KeyType::records only: a list of further records.
  std::span<const Key> (*item_keys)() = nullptr;
  void* (*append)(void* record) = nullptr;  // the new item, owned by the record
  std::size_t (*count)(const void* record) = nullptr;
  void (*clear)(void* record) = nullptr;
};

// The record as an object with every key, nested if its name has a dot.
[[nodiscard]] Value show_record(std::span<const Key> keys, const void* record);

namespace key_detail {

template <class M>
struct MemberOf;
template <class C, class M>
struct MemberOf<M C::*> {
  using Record = C;
  using Type = M;
};

// The member at the end of a path of member pointers: member<&Config::x509,
// &X509Outputs::key_format>(record).
template <auto First, auto... Rest>
auto& member(void* record) {
  return ((static_cast<typename MemberOf<decltype(First)>::Record*>(record)->*First).*....*Rest);
}
template <auto First, auto... Rest>
const auto& member(const void* record) {
  return ((static_cast<const typename MemberOf<decltype(First)>::Record*>(record)->*First).*....*Rest);
}

template <class Reader, auto... path>
Result<void> read(void* record, const Reading& in) {
  auto value = Reader::read(in);
  if (!value) return fail(value.error());
  member<path...>(record) = *std::move(value);
  return {};
}
template <class Reader, auto... path>
Value show(const void* record) {
  return Reader::show(member<path...>(record));
}

template <auto list>
void* append(void* record) {
  return &member<list>(record).emplace_back();
}
template <auto list>
std::size_t count(const void* record) {
  return member<list>(record).size();
}
template <auto list>
void clear(void* record) {
  member<list>(record).clear();
}
template <auto list, auto item_keys>
Value show_records(const void* record) {
  Value out = Value::of_kind(Value::Kind::list);
  for (const auto& item : member<list>(record)) out.items.push_back(show_record(item_keys(), &item));
  return out;
}

inline Result<void> read_nothing(void* /*record*/, const Reading& /*in*/) {
  return {};
}

}  // namespace key_detail

// A row: `key<Text, &Config::cmd>("cmd", "help")`.
template <class Reader, auto... path>
constexpr Key key(std::string_view name, std::string_view help, std::string_view alias = {}) {
  Key out{name,
          Reader::kType,
          Reader::value_name(),
          help,
          &key_detail::read<Reader, path...>,
          &key_detail::show<Reader, path...>,
          alias};
  if constexpr (requires { Reader::words(); }) out.words = Reader::words();
  return out;
}

// A row for a list of records, with the keys of item_keys().
template <auto list, auto keys_of_item>
constexpr Key records(std::string_view name, std::string_view help) {
  return {name,
          KeyType::records,
          "JSON",
          help,
          &key_detail::read_nothing,
          &key_detail::show_records<list, keys_of_item>,
          {},
          {},
          keys_of_item,
          &key_detail::append<list>,
          &key_detail::count<list>,
          &key_detail::clear<list>};
}

}  // namespace spiffe::config
