#include "base/result.hh"

#include <cctype>
#include <cstring>

namespace spiffe {

Error context(std::string_view outer, Error error) {
  error.message = std::string(outer) + ": " + error.message;
  return error;
}

Error all_of(std::vector<Error> errors) {
  Error out = std::move(errors.front());
  errors.erase(errors.begin());
  out.also = std::move(errors);
  return out;
}

std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint) {
  return std::unexpected(Error{kind, std::move(message), std::move(hint)});
}

std::string errno_text(int code) {
  const char* text = ::strerrordesc_np(code);
  std::string out = text != nullptr ? text : "errno " + std::to_string(code);
  // "Is a directory" becomes "is a directory", but "RPC bad" keeps its capitals.
  if (out.size() > 1 && std::islower(static_cast<unsigned char>(out[1])) != 0) {
    out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  }
  return out;
}

std::unexpected<Error> fail_errno(std::string_view what, int code) {
  return std::unexpected(Error{ErrorKind::io, std::string(what) + ": " + errno_text(code), {}, code});
}

}  // namespace spiffe
