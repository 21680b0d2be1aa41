// spiffe-dev-agent: the command line.
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/openssl.hh"
#include "base/signals.hh"
#include "dev_agent/commands.hh"
#include "dev_agent/options.hh"
#include "dev_agent/server.hh"

namespace {

using namespace spiffe;
using namespace spiffe::dev_agent;

#ifdef SPIFFE_HELPER_VERSION
constexpr std::string_view kVersion = SPIFFE_HELPER_VERSION;
#else
constexpr std::string_view kVersion = "(unknown version)";
#endif

constexpr int kUsage = 2;

// The end of the help text. Flags may have one dash or two.
constexpr std::string_view kNotes =
    R"(A duration is 90s, 1h30m or 250ms. An identity is a SPIFFE ID or its path, with a hint after it:
-id /web -id 'spiffe://example.org/db,hint=internal'.

spiffe-dev-agent keeps its keys in memory and gives all identities to every caller: use it only for
development and tests.

Example:
  spiffe-dev-agent -socket /tmp/agent.sock -id /web -ttl 2m -control /tmp/control.sock &
  echo rotate | nc -U -N /tmp/control.sock
)";

std::string help_text() {
  std::string out = R"(A small SPIFFE Workload API server for laptops and tests.

usage: spiffe-dev-agent -socket PATH [flags]

  -socket PATH           Unix socket of the Workload API, created with mode 0600
  -trust-domain NAME     trust domain (example.org)
  -id ID                 identity to issue; may be repeated (/workload)
  -ttl DURATION          lifetime of X.509-SVIDs (1h)
  -jwt-ttl DURATION      lifetime of JWT-SVIDs (5m)
  -rotate-every DURATION time between rotations; 0: no rotations (half the ttl)
  -federated N           number of federated trust domains, federated-1.example and so on (0)
  -key-type TYPE         ec-p256, ec-p384, rsa-2048, rsa-4096 or ed25519 (ec-p256)
  -intermediate          sign SVIDs with an intermediate CA
  -cross-signed-root     use a root that is not self-signed
  -control PATH          Unix socket for commands, created with mode 0600
  -fault NAME            start with a fault
  -send-log FILE         append "SEQ NANOSECONDS SERIAL" for every X.509 message
  -quiet                 print only the line that announces readiness
  -h, -help              this text
  -version               the version

)";
  out += kNotes;
  out += "\nCommands of the control socket (one on each line, answered by one line):\n";
  for (const Command& command : commands()) {
    out += fmt::format(
        "  {:<30} {}\n",
        fmt::format("{}{}{}", command.name, command.arguments.empty() ? "" : " ", command.arguments),
        command.what);
  }
  out += "\nFaults (for -fault; each is also a command):\n";
  for (const Fault& fault : faults()) {
    out += fmt::format("  {:<30} {}\n",
                       fmt::format("{}{}{}", fault.name, fault.argument.empty() ? "" : " ", fault.argument),
                       fault.what);
  }
  return out;
}

// CLI11 reads "-socket" as seven short flags.
std::vector<std::string> two_dashes(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 expects the reverse order
    std::string word = argv[i];
    if (word.size() > 2 && word[0] == '-' && word[1] != '-') word.insert(0, "-");
    out.push_back(std::move(word));
  }
  return out;
}

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag();
  app.add_flag("-h,--help");
  app.add_flag("--version");
  app.add_option("--socket", flags.socket);
  app.add_option("--control", flags.control);
  app.add_option("--trust-domain", flags.trust_domain);
  app.add_option("--id", flags.ids)->allow_extra_args(false);
  app.add_option("--ttl", flags.ttl);
  app.add_option("--jwt-ttl", flags.jwt_ttl);
  app.add_option("--rotate-every", flags.rotate_every);
  app.add_option("--federated", flags.federated);
  app.add_option("--key-type", flags.key_type);
  app.add_flag("--intermediate", flags.intermediate);
  app.add_flag("--cross-signed-root", flags.cross_signed_root);
  app.add_option("--fault", flags.fault);
  app.add_option("--send-log", flags.send_log);
  app.add_flag("--quiet", flags.quiet);
}

int complain(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", error.hint);
  return error.kind == ErrorKind::usage ? kUsage : 1;
}

// CLI11's messages in our style: lower case, one dash.
std::string in_our_voice(std::string message) {
  for (std::size_t at = message.find("--"); at != std::string::npos; at = message.find("--", at)) {
    message.erase(at, 1);
  }
  if (message.size() > 1 && message[0] >= 'A' && message[0] <= 'Z') message[0] += 'a' - 'A';
  return message;
}

int run_program(int argc, char** argv) {
  CLI::App app;
  Flags flags;
  declare(app, flags);
  try {
    app.parse(two_dashes(argc, argv));
  } catch (const CLI::ParseError& error) {
    return complain({ErrorKind::usage, in_our_voice(error.what()), "see spiffe-dev-agent -help"});
  }
  if (app.count("--help") > 0) {
    fmt::print("{}", help_text());
    return 0;
  }
  if (app.count("--version") > 0) {
    fmt::print("spiffe-dev-agent {}\n", kVersion);
    return 0;
  }
  if (flags.socket.empty()) {
    return complain({ErrorKind::usage, "-socket is missing", "see spiffe-dev-agent -help"});
  }
  auto options = Options::from(flags);
  if (!options) return complain(options.error());
  if (auto served = dev_agent::run(*std::move(options)); !served) return complain(served.error());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  block_signals();  // before gRPC and OpenSSL have threads
  init_openssl();
  try {
    return run_program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: unexpected: %s\n", error.what());
  } catch (...) {
    std::fputs("error: unexpected\n", stderr);
  }
  return 1;
}
