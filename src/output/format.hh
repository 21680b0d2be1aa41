// One kind of output: its name, its contents and its encoder.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "identity/x509_context.hh"
#include "output/contents.hh"
#include "output/options.hh"

namespace spiffe::output {

// The input of an encoder. Everything in it must outlive the call.
struct Source {
  const identity::X509Context& identity;
  WallTime now;  // to leave out expired certificates
  // For keystores and truststores; null means kDefaultKeystorePassword. The caller reads it, because encoders
  // do no I/O.
  const SecretBytes* keystore_password = nullptr;
};

// One file of an output. `name` is relative to the output's directory; "" if the output is a file.
struct NamedBytes {
  std::string name;
  SecretBytes bytes;
};
using Encoded = std::vector<NamedBytes>;

// The result for an output that is a single file.
[[nodiscard]] inline Encoded one_file(SecretBytes bytes) {
  Encoded out;
  out.push_back({"", std::move(bytes)});
  return out;
}

enum class Shape { file, directory };

// A row of the table in formats.hh. These follow from it: configuration key, flag, variable, manual page, the
// names in the lock, modes, owners, the order of replacement, what revoke = "remove" removes, and the
// doctor's expectations.
struct Format {
  std::string_view key;  // in the configuration
  std::string_view help;
  std::string_view alias;  // the key's camelCase name of v0.6
  Shape shape;
  Contents contents;
  // Pure. An error only if this identity cannot be written in this format.
  Result<Encoded> (*encode)(const Source& source, const EncodeOptions& options);
  // For a directory: the names that it may contain, in the form for is_member().
  std::string_view members = {};
  bool password = false;  // uses Source::keystore_password
  // The extension for `fetch x509 -write`, which chooses the name: "p12"; "" for none.
  std::string_view extension = {};
  bool every_svid = false;  // uses X509Context::further
};

}  // namespace spiffe::output
