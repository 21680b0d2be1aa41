#include "cli/agent/fetch_command.hh"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "cli/agent/fetch_files.hh"
#include "cli/agent/fetch_formats.hh"
#include "cli/agent/identity_text.hh"
#include "cli/agent/token_view.hh"
#include "cli/agent/visit.hh"
#include "cli/text/cat.hh"
#include "cli/text/exit.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "output/encode_pkcs12.hh"
#include "output/password_file.hh"
#include "workload/jwt_bundle_source.hh"
#include "workload/jwt_source.hh"
#include "workload/x509_source.hh"

namespace spiffe::cli {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view kFetchHelp = R"(Usage: spiffe-helper fetch x509|jwt|bundles [flags]

Asks the agent once, as the current user, and shows the answer: which identity,
how long it is valid, and whether it verifies. Never shows a private key. If the
agent refuses or is not there, fetch tries again until the timeout.

x509     certificates, with the bundles that come with them
jwt      a token for an audience, and the token itself
bundles  the authorities of every trust domain, for certificates and tokens

Flags:
  -write DIR            write files to DIR, which must exist; nothing if
                        anything is bad. The names are spire-agent's:
                        svid.0.pem, svid.0.key, bundle.0.pem,
                        federated_bundle.0.0.pem, ...; for jwt svid.0.jwt; for
                        bundles also bundle.0.jwks
  -format LIST          files to write for x509, separated by commas (default
                        pem): pem, pkcs12 (keystore and truststore), or any
                        output's key without svid_ and _file_name, for example
                        combined, bundle-map, bundle-dir: svid.0.pem is then
                        combined.0.pem, bundle_map.0.json, bundle_dir.0/
  -password-file FILE   the password of PKCS#12 files (default "changeit")
  -audience NAME        the audience of the token; may be given several times
  -spiffe-id ID         this identity only; not for bundles
  -hint HINT            the identity with this hint only; not for bundles
  -agent-address ADDRESS
                        unix:///path or tcp://IP:port of the agent
  -config FILE          configuration with the address (default helper.conf)
  -timeout DURATION     longest wait (default 5s), 0 for no limit
  -output text|json|pem how to print (default text); pem is for x509: the chain
                        and the bundle, or nothing if one of them is bad

Exit status: 0 good, 3 no identity, 4 the agent cannot be reached, 5 something
is bad, 124 no answer in time, 1 anything else.

Examples:
  spiffe-helper fetch x509 -write /run/certs
  spiffe-helper fetch jwt -audience db -output json
)";

constexpr std::array<std::string_view, 3> kFetchVerbs = {"x509", "jwt", "bundles"};
constexpr std::array kFetchFlags = std::to_array<CommandFlag>({
    {"write", "DIR", "write files to this directory"},
    {"format", kFetchFormatWords.text(), "what -write writes of x509, separated by commas"},
    {"password-file", "FILE", "the file with the password of PKCS#12 files"},
    {"audience", "NAME", "the audience of the token; may be given several times"},
    {"spiffe-id", "ID", "this identity only"},
    {"hint", "HINT", "the identity with this hint only"},
});
constexpr std::chrono::nanoseconds kFetchTimeout = 5s;
constexpr const char* kOffered = "spiffe-helper fetch x509 without -spiffe-id and -hint shows what it offers";

// The last step for every kind of answer: prints the text or JSON and writes files, if requested. `problem`:
// why the answer must not be used, "" if it is valid.
void finish(Visit& visit, const Arguments& arguments, const std::string& problem, const FetchedFiles& fetched,
            std::string_view text) {
  visit.line().clear();
  const std::string directory(arguments.value("write"));
  if (auto printed = write_stdout(text); !printed) return visit.end(printed.error());
  if (!problem.empty())
    return visit.end({ErrorKind::verification, problem, directory.empty() ? "" : "nothing was written"});
  if (!directory.empty()) {
    if (auto written = write_files(directory, fetched); !written) return visit.end(written.error());
  }
  visit.end(kOk);
}

// Removes SVIDs that were not requested. An error if none is left.
Result<void> select(identity::X509Material& material, const Arguments& arguments) {
  const std::string_view id = arguments.value("spiffe-id");
  const std::string_view hint = arguments.value("hint");
  if (material.svids.empty()) return {};
  std::erase_if(material.svids, [&](const identity::X509SvidMaterial& svid) {
    return (!id.empty() && svid.spiffe_id != id) || (!hint.empty() && svid.hint != hint);
  });
  if (!material.svids.empty()) return {};
  return fail(ErrorKind::no_identity, "the agent offers no identity with this SPIFFE ID and hint", kOffered);
}

// Messages are judged here and not by the source, since all SVIDs count.
workload::X509Source x509_source(Visit& visit, std::function<void(identity::X509Material)> take) {
  return {visit.loop(),
          visit.endpoint(),
          {{.selection = {}, .verify_chain = false}},
          {.on_judged =
               [&visit, take = std::move(take)](std::size_t, const auto& update) {
                 if (visit.ended()) return;
                 visit.heard("the SVID");
                 take(std::move(*update->material()));
               },
           .on_lost = [&visit](const workload::Lost& lost) { visit.lost("the SVID", lost); },
           .on_restored = [] {}}};
}

workload::JwtBundleSource jwt_bundle_source(Visit& visit,
                                            std::function<void(identity::JwtBundlesMaterial)> take) {
  return {visit.loop(),
          visit.endpoint(),
          {.on_update =
               [&visit, take = std::move(take)](identity::JwtBundlesMaterial material) {
                 if (visit.ended()) return;
                 visit.heard("the JWT bundles");
                 take(std::move(material));
               },
           .on_lost = [&visit](const workload::Lost& lost) { visit.lost("the JWT bundles", lost); },
           .on_restored = [] {}}};
}

// Each chain, and each of their bundles once. Keys are never printed, since the output may be piped.
std::string pem_of(const X509View& view) {
  std::string out;
  for (const SvidView& svid : view.svids) {
    for (const auto& each : svid.chain) out += each.pem();
  }
  for (const auto& [domain, bundle] : view.bundles) {
    if (!bundle.own) continue;
    for (const auto& each : bundle.authorities) out += each.pem();
  }
  return out;
}

std::string shown(const Arguments& arguments, const X509View& view, const std::string& problem,
                  WallTime now) {
  if (arguments.json) return json_text(json_of(view, now));
  if (!arguments.pem) return text_of(view, now, Terminal::of(STDOUT_FILENO));
  return problem.empty() ? pem_of(view) : std::string();
}

// The files that -write creates for a valid answer.
Result<FetchedFiles> files_of(const identity::X509Material& material, const X509View& view,
                              const FetchFormats& formats, WallTime now, const SecretBytes* password) {
  auto out = formatted_files(material, formats, now, password);
  if (!out || !formats.pem) return out;
  std::ranges::move(x509_files(material, view), std::back_inserter(out->files));
  return out;
}

// The password for -format; none if the default is used, which causes a warning.
Result<std::optional<SecretBytes>> password_for(const Arguments& arguments, const FetchFormats& formats) {
  const std::string file(arguments.value("password-file"));
  if (!file.empty() && !formats.takes_password())
    return fail(ErrorKind::usage, "-password-file is for PKCS#12", "-format pkcs12 writes that");
  if (!file.empty()) {
    auto password = output::read_password_file(file);
    if (!password) return fail(password.error());
    return std::optional(*std::move(password));
  }
  if (formats.takes_password()) {
    std::fputs(cat({"warning: the password of PKCS#12 files is the default, ",
                    output::kDefaultKeystorePassword, ": -password-file FILE sets another\n"})
                   .c_str(),
               stderr);
  }
  return std::nullopt;
}

int fetch_x509(const Arguments& arguments, Visit& visit) {
  const auto formats = parse_fetch_formats(arguments.value("format"));
  if (!formats) return report(formats.error());
  const auto password = password_for(arguments, *formats);
  if (!password) return report(password.error());
  auto source = x509_source(visit, [&](identity::X509Material material) {
    if (auto selected = select(material, arguments); !selected) return visit.end(selected.error());
    const WallTime now = wall_now();
    const X509View view = view_of(material, now);
    const std::string problem = first_problem(view);
    FetchedFiles fetched;
    if (problem.empty() && !arguments.value("write").empty()) {
      auto files = files_of(material, view, *formats, now, *password ? &**password : nullptr);
      if (!files) return visit.end(files.error());
      fetched = *std::move(files);
    }
    finish(visit, arguments, problem, fetched, shown(arguments, view, problem, now));
    if (arguments.pem && arguments.value("write").empty() && problem.empty()) {
      std::fputs("hint: the private key is not printed: -write DIR writes it, with mode 0600\n", stderr);
    }
  });
  source.start();
  return visit.run();
}

void show_token(Visit& visit, const Arguments& arguments, identity::JwtSvidMaterial token,
                const workload::JwtRequest& request, const identity::JwtBundlesMaterial& material) {
  const WallTime now = wall_now();
  const auto bundles = identity::JwtBundles::from(material, nullptr, nullptr);
  const TokenView view = view_of(token, request.audiences, bundles ? *bundles : identity::JwtBundles{}, now);
  const bool in_a_file = !arguments.value("write").empty();
  std::string text;
  if (arguments.json) {
    Json out = json_of(view, now);
    if (!in_a_file) out["token"] = token.token.text();
    text = json_text(out);
  } else {
    text = text_of(view, now, Terminal::of(STDOUT_FILENO));
    if (!in_a_file) text += std::string(token.token.text()) + "\n";
  }
  std::string problem = view.problem;
  if (!bundles) problem = bundles.error().message;
  if (!problem.empty()) problem.insert(0, view.id + ": ");
  FetchedFiles fetched;
  fetched.files.push_back(secret_file("svid.0.jwt", std::move(token.token)));
  finish(visit, arguments, problem, fetched, text);
}

int fetch_jwt(const Arguments& arguments, Visit& visit) {
  workload::JwtRequest request{.audiences = {},
                               .spiffe_id = std::string(arguments.value("spiffe-id")),
                               .hint = std::string(arguments.value("hint"))};
  for (const auto& [flag, value] : arguments.own) {
    if (flag == "audience") request.audiences.push_back(value);
  }
  std::optional<identity::JwtSvidMaterial> token;
  std::optional<identity::JwtBundlesMaterial> bundles;
  const auto look = [&] {
    if (token && bundles) show_token(visit, arguments, *std::exchange(token, {}), request, *bundles);
  };
  auto bundle_source = jwt_bundle_source(visit, [&](identity::JwtBundlesMaterial material) {
    bundles = std::move(material);
    look();
  });
  workload::JwtSource source(
      visit.loop(), visit.endpoint(), {request},
      {.on_token =
           [&](std::size_t, identity::JwtSvidMaterial material, std::size_t) {
             visit.heard("the token");
             token = std::move(material);
             look();
           },
       .on_lost =
           [&](std::size_t, const workload::Lost& lost) {
             if (lost.failure.kind == workload::FailureKind::not_offered)
               return visit.end({ErrorKind::no_identity, lost.failure.cause, kOffered});
             visit.lost("the token", lost);
           }});
  bundle_source.start();
  source.start();
  return visit.run();
}

void show_bundles(Visit& visit, const Arguments& arguments, const identity::X509Material& x509,
                  const identity::JwtBundlesMaterial& jwt) {
  const WallTime now = wall_now();
  const X509View view = view_of(x509, now);
  const auto bundles = identity::JwtBundles::from(jwt, nullptr, nullptr);
  const identity::JwtBundles tokens = bundles ? *bundles : identity::JwtBundles{};
  std::string problem = bundles ? "" : "JWT bundles: " + bundles.error().message;
  for (const auto& [domain, bundle] : view.bundles) {
    if (!bundle.problem.empty()) problem = domain + ": " + bundle.problem;
  }
  for (const auto& finding : tokens.findings) problem = finding.subject + ": " + finding.message;
  finish(visit, arguments, problem, {.files = bundle_files(view, tokens), .folders = {}},
         arguments.json ? json_text(json_of(view, tokens, now))
                        : text_of(view, tokens, now, Terminal::of(STDOUT_FILENO)));
}

int fetch_bundles(const Arguments& arguments, Visit& visit) {
  std::optional<identity::X509Material> x509;
  std::optional<identity::JwtBundlesMaterial> jwt;
  const auto look = [&] {
    if (x509 && jwt) show_bundles(visit, arguments, *x509, *jwt);
  };
  auto x509_stream = x509_source(visit, [&](identity::X509Material material) {
    x509 = std::move(material);
    look();
  });
  auto jwt_stream = jwt_bundle_source(visit, [&](identity::JwtBundlesMaterial material) {
    jwt = std::move(material);
    look();
  });
  x509_stream.start();
  jwt_stream.start();
  return visit.run();
}

int fetch(const Arguments& arguments) {
  const bool jwt = arguments.verb == "jwt";
  if (jwt == arguments.value("audience").empty()) {
    return report({ErrorKind::usage, jwt ? "fetch jwt needs an audience" : "-audience is for fetch jwt",
                   jwt ? "-audience NAME: the audience of the token" : "leave it out"});
  }
  if (arguments.pem && arguments.verb != "x509") {
    return report({ErrorKind::usage, "-output pem is for fetch x509",
                   jwt ? "a token is text: leave it out" : "-write DIR writes the bundles as PEM files"});
  }
  for (const std::string_view flag : {"format", "password-file"}) {
    if (arguments.value(flag).empty()) continue;
    const std::string name = "-" + std::string(flag);
    if (arguments.verb != "x509")
      return report({ErrorKind::usage, name + " is for fetch x509", "leave it out"});
    if (arguments.value("write").empty())
      return report({ErrorKind::usage, name + " needs -write", "-write DIR says where the files go"});
  }
  const bool selects = !arguments.value("spiffe-id").empty() || !arguments.value("hint").empty();
  if (selects && arguments.verb == "bundles")
    return report({ErrorKind::usage, "fetch bundles fetches all of them", "leave out -spiffe-id and -hint"});
  if (const auto id = arguments.value("spiffe-id"); !id.empty()) {
    if (const auto parsed = identity::SpiffeId::parse(id); !parsed) {
      return report(
          {ErrorKind::usage, "-spiffe-id: " + parsed.error().message, "write spiffe://domain/path"});
    }
  }
  auto visit = Visit::create(arguments, kFetchTimeout, kFailed);
  if (!visit) return report(visit.error());
  if (jwt) return fetch_jwt(arguments, **visit);
  return arguments.verb == "x509" ? fetch_x509(arguments, **visit) : fetch_bundles(arguments, **visit);
}

}  // namespace

constinit const Command kFetchCommand = {.name = "fetch",
                                         .summary = "ask the agent once, show or write the answer",
                                         .help = kFetchHelp,
                                         .run = &fetch,
                                         .verbs = kFetchVerbs,
                                         .flags = kFetchFlags,
                                         .prints_data = true,
                                         .prints_pem = true,
                                         .ends_itself = true};

}  // namespace spiffe::cli
