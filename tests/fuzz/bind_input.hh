// For the fuzz targets of the configuration: reads, binds and validates any bytes. The place of an error must
// be inside the input.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/binder.hh"
#include "config/document_reader.hh"
#include "config/schema.hh"
#include "config/validate.hh"

namespace spiffe::config::fuzz {

inline constexpr std::string_view kSource = "f";

inline void require(bool condition) {
  if (!condition) std::abort();
}

// Reads the number at the start of `text` and removes it.
inline long take_number(std::string_view& text) {
  long number = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9' && number < 10'000'000) {
    number = number * 10 + (text[0] - '0');
    text.remove_prefix(1);
  }
  return number;
}

// "f: …" or "f:LINE:COLUMN: …"; LINE is a line of `input`, or the one after its last line break.
inline void check_place(std::string_view message, std::string_view input) {
  require(message.starts_with(kSource));
  message.remove_prefix(kSource.size());
  require(message.starts_with(':') && message.size() > 2);
  message.remove_prefix(1);
  if (message.starts_with(' ')) return;
  long lines = 1;
  for (const char c : input) lines += c == '\n' ? 1 : 0;
  const long line = take_number(message);
  require(line >= 1 && line <= lines && message.starts_with(':'));
  message.remove_prefix(1);
  const long column = take_number(message);
  require(column >= 1 && static_cast<std::size_t>(column) <= input.size() + 1 && message.starts_with(": "));
}

inline void check_error(const Error& error, std::string_view input) {
  require(error.kind == ErrorKind::config || error.kind == ErrorKind::address);
  check_place(error.message, input);
}

inline void read_and_bind(std::string_view input, Format format) {
  const auto document = read_document(input, std::string(kSource), format);
  if (!document) return check_error(document.error(), input);
  require(document->root.kind == Value::Kind::object);
  Config config;
  Origins origins;
  std::vector<Warning> warnings;
  std::vector<Error> refused;
  Binder(config, origins, warnings, refused).bind(*document);
  for (const Error& error : refused) check_error(error, input);
  if (!refused.empty()) return;
  for (const Warning& warning : warnings) check_place(warning.at + ": ", input);
  // A missing key may break a rule, and has no place.
  (void)validate(config, origins, warnings);
  require(effective(config).same_as(effective(config)));
}

}  // namespace spiffe::config::fuzz
