#include "cli/version_command.hh"

#include <array>
#include <string>
#include <utility>

#include <event2/event.h>
#include <openssl/crypto.h>

#include "cli/args/arguments.hh"
#include "cli/text/json_text.hh"
#include "cli/text/stdout.hh"
#include "cli/text/terminal.hh"
#include "cli/version.hh"
#include "workload/versions.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kVersionHelp = R"(Usage: spiffe-helper version [flags]

Prints the version of this program and what it was built from and with.

Flags:
  -output text|json   how to print (default text)

Examples:
  spiffe-helper version
  spiffe-helper version -output json
)";

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

int version(const Arguments& arguments) {
  const std::array<std::pair<const char*, std::string>, 7> facts = {{
      {"version", kVersion},
      {"commit", SPIFFE_HELPER_COMMIT},
      {"compiler", kCompiler},
      {"grpc", workload::grpc_version()},
      {"protobuf", workload::protobuf_version()},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"libevent", event_get_version()},
  }};
  Json json = Json::object();
  TextTable table;
  for (const auto& [name, value] : facts) {
    json[name] = value;
    if (!value.empty()) table.row({name, value});
  }
  return print(arguments.json ? json_text(json) : table.text());
}

}  // namespace

constinit const Command kVersionCommand = {.name = "version",
                                           .summary = "print the version and what it was built with",
                                           .help = kVersionHelp,
                                           .run = &version,
                                           .prints_data = true};

}  // namespace spiffe::cli
