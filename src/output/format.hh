// One kind of output: how it is called, what it holds and how it is made.
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

// What an encoder may use. All of it outlives the call.
struct Source {
  const identity::X509Context& identity;
  WallTime now;  // for what leaves out the expired
  // Of keystores and truststores; null: kDefaultKeystorePassword. The caller reads it: encoders do no I/O.
  const SecretBytes* keystore_password = nullptr;
};

// One file of an output. `name`: within the output's directory; "" where the output is a file.
struct NamedBytes {
  std::string name;
  SecretBytes bytes;
};
using Encoded = std::vector<NamedBytes>;

// Of an output that is a file.
[[nodiscard]] inline Encoded one_file(SecretBytes bytes) {
  Encoded out;
  out.push_back({"", std::move(bytes)});
  return out;
}

enum class Shape { file, directory };

// A row of the table in formats.hh. Configuration key, flag, variable, manual page, the lock's names, modes,
// owners, the order of replacement, what revoke = "remove" takes away and what the doctor expects follow
// from it.
struct Format {
  std::string_view key;  // of the configuration
  std::string_view help;
  std::string_view alias;  // the key's camelCase name of v0.6
  Shape shape;
  Contents contents;
  // Pure. Fails only where this identity cannot be written so.
  Result<Encoded> (*encode)(const Source& source, const EncodeOptions& options);
  // Of a directory: the names that there may be in it, as is_member() takes them.
  std::string_view members = {};
  bool password = false;  // takes Source::keystore_password
  // Of a file that nobody has named, as `fetch x509 -write` writes it: "p12"; "" for none.
  std::string_view extension = {};
  bool every_svid = false;  // takes X509Context::further
};

}  // namespace spiffe::output
