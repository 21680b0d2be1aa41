#include "config/readers.hh"

#include "base/signals.hh"
#include "base/text.hh"
#include "base/users.hh"
#include "config/csv_args.hh"
#include "config/duration.hh"
#include "config/integer.hh"

namespace spiffe::config {

using Kind = Value::Kind;

std::unexpected<Error> Reading::refuse(std::string_view message, std::string hint) const {
  return fail_at(source, value.at, std::string(key) + " " + std::string(message), std::move(hint));
}

std::unexpected<Error> Reading::must_be(std::string_view wanted, std::string hint) const {
  return refuse("must be " + std::string(wanted) + ", not " + describe(value), std::move(hint));
}

std::unexpected<Error> Reading::refuse_for(const Error& error) const {
  auto out = fail_at(source, value.at, std::string(key) + ": " + error.message, error.hint);
  // Kept, because doctor has a separate step for addresses.
  if (error.kind == ErrorKind::address) out.error().kind = error.kind;
  return out;
}

void Reading::warn(std::string_view message, std::string_view hint) const {
  warnings.push_back({std::string(key) + std::string(message), place(), std::string(hint)});
}

Result<std::string> Text::read(const Reading& in) {
  // A number's text is its spelling. The Go helper does not accept other scalars as strings.
  if (in.value.kind != Kind::text && in.value.kind != Kind::integer) {
    const bool scalar = in.value.kind == Kind::boolean || in.value.kind == Kind::real;
    const std::string spelling = in.value.kind == Kind::boolean ? describe(in.value) : in.value.text;
    return in.must_be("a string", scalar ? "write " + quote(spelling) : "");
  }
  if (in.value.text.find('\0') != std::string::npos) return in.refuse("may not hold a NUL byte");
  return in.value.text;
}

Result<bool> Flag::read(const Reading& in) {
  if (in.value.kind == Kind::boolean) return in.value.boolean;
  const std::string word = lower(in.value.text);
  const bool quoted = in.value.kind == Kind::text && (word == "true" || word == "false");
  return in.must_be("true or false", quoted ? "leave out the quotes" : "");
}

Result<std::uint16_t> Port::read(const Reading& in) {
  if (in.value.kind != Kind::text && in.value.kind != Kind::integer) return in.must_be("a port number");
  const auto number = parse_integer(in.value.text);
  if (!number || *number < 0 || *number > 65535) return in.must_be("a port from 1 to 65535");
  return *number == 0 ? HealthChecks().bind_port : static_cast<std::uint16_t>(*number);
}

Result<int> Signal::read(const Reading& in) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  if (text->empty()) return 0;
  const auto number = parse_signal(*text);
  if (!number) return in.must_be("a signal such as SIGHUP, HUP, 1 or SIGRTMIN+3");
  return *number;
}

Value Signal::show(int value) {
  return Value::of_text(value == 0 ? "" : signal_name(value));
}

Result<std::chrono::nanoseconds> read_duration(const Reading& in, Zero zero) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  const auto duration = parse_duration(*text);
  if (!duration) {
    const bool number = parse_integer(*text).has_value();
    return in.refuse(quote_short(*text) + " " + duration.error().message,
                     number ? "write \"" + *text + "s\" for seconds" : duration.error().hint);
  }
  if (duration->count() < 0) return in.refuse("must not be negative: " + *text);
  if (duration->count() == 0 && zero == Zero::refused) return in.refuse("must be longer than 0");
  return *duration;
}

Value show_duration(std::chrono::nanoseconds value) {
  return Value::of_text(format_duration(value));
}

Result<User::Type> User::read(const Reading& in) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  if (text->empty()) return std::nullopt;
  const auto user = find_user(*text);
  if (!user) return in.refuse_for(user.error());
  return *user;
}

Value User::show(const Type& value) {
  return value ? Value::of_integer(std::to_string(*value)) : Value();
}

Result<Group::Type> Group::read(const Reading& in) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  if (text->empty()) return std::nullopt;
  const auto group = find_group(*text);
  if (!group) return in.refuse_for(group.error());
  return *group;
}

Value Group::show(const Type& value) {
  return value ? Value::of_integer(std::to_string(*value)) : Value();
}

Result<Id::Type> Id::read(const Reading& in) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  if (text->empty()) return std::nullopt;
  auto id = identity::SpiffeId::parse(*text);
  if (!id) return in.refuse_for(id.error());
  return *std::move(id);
}

Value Id::show(const Type& value) {
  return value ? Value::of_text(value->str()) : Value();
}

Result<Texts::Type> Texts::read(const Reading& in) {
  if (in.value.kind != Kind::list) {
    const bool scalar = in.value.kind == Kind::text || in.value.kind == Kind::integer;
    return in.must_be("a list of strings", scalar ? "write [" + quote_short(in.value.text) + "]" : "");
  }
  Type out;
  for (std::size_t i = 0; i < in.value.items.size(); ++i) {
    const std::string key = std::string(in.key) + "[" + std::to_string(i) + "]";
    auto text = Text::read({key, in.value.items[i], in.source, in.syntax, in.warnings});
    if (!text) return fail(text.error());
    out.push_back(*std::move(text));
  }
  return out;
}

Value Texts::show(const Type& value) {
  Value list = Value::of_kind(Kind::list);
  for (const std::string& text : value) list.items.push_back(Value::of_text(text));
  return list;
}

namespace {

// `["-g", "daemon off;"]`, in the syntax that HCL, TOML and JSON share.
std::string list_text(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "[" : ", ") + quote(text);
  return out + "]";
}

}  // namespace

Result<Arguments::Type> Arguments::read(const Reading& in) {
  if (in.value.kind == Kind::list) return Texts::read(in);
  if (in.value.kind == Kind::object) return in.must_be("a string or a list of strings");
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  auto arguments = split_args(*text);
  if (!arguments) return in.refuse(arguments.error().message, arguments.error().hint);
  if (const auto meant = single_quoted(*text, *arguments); !meant.empty()) {
    in.warn(": single quotes do not quote, the program gets them; write it as the list " + list_text(meant));
  }
  return arguments;
}

Result<std::size_t> read_word(const Reading& in, std::span<const std::string_view> words) {
  if (in.value.kind == Kind::text) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == in.value.text) return i;
    }
  }
  const std::string_view near =
      in.value.kind == Kind::text ? nearest(in.value.text, words) : std::string_view();
  const std::string question = near.empty() ? "" : "; did you mean " + quote(near) + "?";
  return in.refuse("must be " + one_of(words) + ", not " + describe(in.value) + question);
}

Result<Endpoint> read_address(const Reading& in) {
  const auto text = Text::read(in);
  if (!text) return fail(text.error());
  auto endpoint = Endpoint::parse(*text);
  if (!endpoint) return in.refuse_for(endpoint.error());
  return endpoint;
}

}  // namespace spiffe::config
