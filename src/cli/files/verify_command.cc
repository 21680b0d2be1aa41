#include "cli/files/verify_command.hh"

#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "base/text.hh"
#include "cli/args/arguments.hh"
#include "cli/files/input_file.hh"
#include "cli/files/verify_files.hh"
#include "cli/text/cat.hh"
#include "cli/text/exit.hh"
#include "cli/text/json_text.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "output/encode_bundle_dir.hh"
#include "output/password_file.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kVerifyHelp = R"(Usage: spiffe-helper verify -svid FILE -bundle FILE [-id ID]
       spiffe-helper verify -jwt FILE -audience A -bundle FILE [-id ID]

Verifies an identity in a file as of now: exit status 0, or 5 with the reason.
Exit status 1: not verified, because a file cannot be read or has no bundle.

An X.509-SVID must conform to the X509-SVID standard, and its chain must end in
the bundle; a private key in the same file must match the leaf. A token must be
signed by an authority of the bundle and be for the audience. One of the files
may be -, standard input.

Flags:
  -svid FILE          PEM: the leaf, then its intermediates; or PKCS#12
  -jwt FILE           a JWT-SVID
  -audience A         audience that the token must have; may be repeated
  -bundle FILE|DIR    of -svid: PEM, PKCS#12, a JWK Set, a bundle map, or what
                      bundle_dir names; of -jwt: a JWK Set, a bundle map, or
                      what jwt_bundle_file_name names
  -id ID              the SPIFFE ID that it must have
  -password-file FILE the password of PKCS#12 files (default: "changeit" and the
                      empty one are tried)
  -output text|json   how to print (default text); JSON is an object with
                      verified, spiffe_id, not_after and warnings, or error

Examples:
  spiffe-helper verify -svid certs/svid.pem -bundle certs/svid_bundle.pem
  spiffe-helper verify -jwt jwt_svid.token -audience db -bundle jwt_bundle.json
)";

constexpr std::array<CommandFlag, 6> kVerifyFlags = {{
    {"svid", "FILE", "the certificate to verify, with its intermediates"},
    {"jwt", "FILE", "the token to verify"},
    {"audience", "AUDIENCE", "audience that the token must have; may be repeated"},
    {"bundle", "FILE", "the authorities of its trust domain, or a directory of such files"},
    {"id", "ID", "the SPIFFE ID that it must have"},
    {"password-file", "FILE", "the file with the password of PKCS#12 files"},
}};

Result<void> check_usage(const Arguments& arguments) {
  const bool jwt = !arguments.value("jwt").empty();
  const auto usage = [](std::string message) {
    return fail(ErrorKind::usage, std::move(message), "spiffe-helper verify -h says more");
  };
  if (jwt == !arguments.value("svid").empty()) return usage("verify needs either -svid or -jwt");
  if (arguments.value("bundle").empty()) return usage("verify needs -bundle");
  if (arguments.value("bundle") == "-" && arguments.value(jwt ? "jwt" : "svid") == "-")
    return usage("standard input is one file, not two");
  if (jwt == arguments.value("audience").empty())
    return usage(jwt ? "-jwt needs -audience" : "-audience is for -jwt");
  return {};
}

bool is_directory(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<Verified> verify(const Arguments& arguments) {
  std::optional<identity::SpiffeId> id;
  if (const auto text = arguments.value("id"); !text.empty()) {
    auto parsed = identity::SpiffeId::parse(text);
    if (!parsed) return fail(ErrorKind::usage, "-id: " + parsed.error().message);
    id = *std::move(parsed);
  }
  const bool jwt = !arguments.value("jwt").empty();
  const std::string path(arguments.value(jwt ? "jwt" : "svid"));
  const auto subject = read_named(path, arguments.timeout);
  if (!subject) return fail(subject.error());
  std::optional<SecretBytes> password;
  if (const auto file = arguments.value("password-file"); !file.empty()) {
    auto read = output::read_password_file(std::string(file));
    if (!read) return fail(read.error());
    password = *std::move(read);
  }
  const SecretBytes* const given_password = password ? &*password : nullptr;
  std::string bundle_path(arguments.value("bundle"));
  if (!jwt && is_directory(bundle_path)) {
    const auto domain = trust_domain_of(subject->text(), given_password);
    if (!domain) return fail(context(spoken_path(path), domain.error()));
    const auto name = output::bundle_file_name(*domain);
    if (name) bundle_path += "/" + *name;
  }
  const auto bundle = read_named(bundle_path, arguments.timeout);
  if (!bundle) return fail(bundle.error());
  std::vector<std::string> audiences;
  for (const auto& [name, value] : arguments.own) {
    if (name == "audience") audiences.push_back(value);
  }
  auto verified = jwt ? verify_jwt(subject->text(), audiences, bundle->text(), id, wall_now())
                      : verify_x509(subject->text(), bundle->text(), id, wall_now(), given_password);
  if (verified || verified.error().kind != ErrorKind::verification) return verified;
  return fail(context(spoken_path(path), verified.error()));
}

int verify_command(const Arguments& arguments) {
  if (auto good = check_usage(arguments); !good) return report(good.error());
  const auto verified = verify(arguments);
  const int code = verified ? kOk : report(verified.error());
  if (verified) {
    for (const auto& warning : verified->warnings)
      std::fputs((cat({"warning: ", warning, "\n"})).c_str(), stderr);
  }
  if (!arguments.json) {
    if (!verified) return code;
    return print(cat({"verified: ", verified->spiffe_id, ", until ", rfc3339(verified->not_after), " (",
                      human(verified->not_after - wall_now()), " left)\n"}));
  }
  Json out = {{"verified", verified.has_value()}};
  if (verified) {
    out["spiffe_id"] = verified->spiffe_id;
    out["not_after"] = rfc3339(verified->not_after);
    out["warnings"] = verified->warnings;
  } else {
    out["error"] = {{"message", verified.error().message}, {"hint", verified.error().hint}};
  }
  const int written = print(json_text(out));
  return code == kOk ? written : code;
}

}  // namespace

constinit const Command kVerifyCommand = {.name = "verify",
                                          .summary = "say whether an identity in a file is good",
                                          .help = kVerifyHelp,
                                          .run = &verify_command,
                                          .flags = kVerifyFlags,
                                          .prints_data = true};

}  // namespace spiffe::cli
