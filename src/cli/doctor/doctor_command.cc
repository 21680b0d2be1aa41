#include "cli/doctor/doctor_command.hh"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/text.hh"
#include "cli/args/arguments.hh"
#include "cli/doctor/agent.hh"
#include "cli/doctor/disk.hh"
#include "cli/doctor/jwt.hh"
#include "cli/doctor/process.hh"
#include "cli/text/cat.hh"
#include "cli/text/exit.hh"
#include "cli/text/json_text.hh"
#include "cli/text/stdout.hh"
#include "cli/text/terminal.hh"
#include "config/outputs.hh"
#include "config/validate.hh"
#include "daemon/settings.hh"
#include "process/core_dumps.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kDoctorHelp = R"(Usage: spiffe-helper doctor [flags] [-- COMMAND ARGUMENT...]

Checks each step from the agent to the program: the configuration, the agent's
socket, the SVID, cert_dir, the files in it and the program that is notified of
them; if a helper runs, also whether its program does. Each line begins with ok,
warn or fail and names the step; a hint says what to try next. A failed step
does not stop the others. Exit status 1 if a line is fail.

It changes nothing, waits for no lock and sends no signal. Run it where the
helper runs, as its user: the agent identifies the process that asks.

Flags:
  -config FILE             the configuration to check (default helper.conf)
  -agent-address ADDRESS   another agent than the configured one
  -timeout DURATION        longest wait for the agent (default 10s)
  -output text|json        how to print (default text); JSON is an object with
                           ok and the list findings: grade, step, message, hint

Every configuration key is a flag as well: without a file, use the command line
that starts the helper, with doctor in place of run.

Examples:
  spiffe-helper doctor -config /etc/spiffe-helper/helper.conf
  spiffe-helper doctor -cert-dir /certs -svid-file-name svid.pem \
                -svid-key-file-name svid_key.pem \
                -svid-bundle-file-name svid_bundle.pem \
                -renew-signal HUP -- nginx -g 'daemon off;'
)";

constexpr std::chrono::seconds kDoctorTimeout{10};

Finding refused(const Error& error) {
  // The agent's address is a separate step.
  return {Grade::fail, error.kind == ErrorKind::address ? "address" : "configuration", error.message,
          error.hint.empty() ? "fix it; `spiffe-helper config check` validates only the configuration"
                             : error.hint};
}

constexpr std::string_view kWarned = "fix it or remove it: it has no effect as it is";

// The parts of the configuration that are valid; findings describe the errors.
std::optional<config::Loaded> check_configuration(const Arguments& arguments, Findings& out) {
  config::LoadOptions options = arguments.configuration;
  std::vector<Error> errors;
  options.refused = &errors;
  auto loaded = config::load(options);
  if (!loaded) errors.push_back(loaded.error());
  for (const Error& error : errors) out.push_back(refused(error));
  if (loaded) {
    const std::string file = escape(loaded->file_used);
    if (errors.empty())
      add(out, Grade::ok, "configuration", file.empty() ? "valid, without a file" : file + " is valid");
    for (const auto& warning : loaded->warnings) {
      add(out, Grade::warn, "configuration", (warning.at.empty() ? "" : warning.at + ": ") + warning.message,
          warning.hint.empty() ? kWarned : warning.hint);
    }
    return *std::move(loaded);
  }
  // The file cannot be used, but flags and variables may define the agent's address.
  options.allow_no_output = true;
  options.path = {};
  options.path_given = false;
  if (auto bare = config::load(options); bare && bare->config.agent_address_source != "default")
    return *std::move(bare);
  return std::nullopt;
}

void check_agent(const Arguments& arguments, const config::Config& config, Findings& out) {
  const Endpoint& endpoint = config.agent_address;
  const auto timeout = arguments.timeout.value_or(kDoctorTimeout);
  add(out, Grade::ok, "address", cat({endpoint.uri(), ", from ", config.agent_address_source}));
  if (endpoint.kind() == Endpoint::Kind::unix_socket) {
    check_socket(endpoint, out);
  } else {
    check_tcp(endpoint, timeout, out);
  }
  if (out.back().grade == Grade::fail) {
    if (config.agent_address_source == "default")
      out.back().hint += "; no address is configured, this is the default";
    return;
  }
  // If only tokens are configured, no certificate is needed.
  const bool jwt = daemon::wants_jwt(config);
  auto rules = daemon::all_x509_rules(config);
  if (rules.empty() && !jwt) rules.push_back(daemon::x509_rules(config));
  if (!rules.empty() && !check_answer(endpoint, rules, timeout, out)) return;
  if (jwt) check_jwt(config, timeout, out);
}

// Otherwise doctor would check the default address instead of the intended one.
bool address_refused(const Findings& findings) {
  return std::ranges::find(findings, "address", &Finding::step) != findings.end();
}

Renewal renewal_of(const Findings& agent) {
  if (std::ranges::any_of(agent, &Finding::denied)) return Renewal::denied;
  return has_fail(agent) ? Renewal::no_answer : Renewal::possible;
}

// Checks every directory that the helper writes to.
RunningHelper check_disks(const config::Config& config, const std::string& file, Renewal renewal,
                          Findings& out) {
  RunningHelper helper;
  if (!config::own_paths(config).empty()) helper = check_disk(config, file, renewal, out);
  for (const daemon::IdentitySettings& each : daemon::further_identities(config)) {
    const RunningHelper seen = check_disk(each.config, file, renewal, out);
    if (helper.pid == 0) helper = seen;
  }
  return helper;
}

std::string in_words(const Findings& findings) {
  const Terminal terminal = Terminal::of(STDOUT_FILENO);
  std::string out;
  for (const Finding& finding : findings) {
    const std::string text = finding_text(finding);
    const auto colour = finding.grade == Grade::fail   ? Colour::red
                        : finding.grade == Grade::warn ? Colour::yellow
                                                       : Colour::green;
    const std::size_t word = grade_name(finding.grade).size();
    out += paint(terminal, colour, text.substr(0, word)) + text.substr(word);
  }
  return out;
}

std::string as_json(const Findings& findings) {
  Json out = {{"ok", !has_fail(findings)}, {"findings", Json::array()}};
  for (const Finding& finding : findings) {
    Json each = Json::object();
    each["grade"] = grade_name(finding.grade);
    each["step"] = finding.step;
    each["message"] = finding.message;
    each["hint"] = finding.hint;
    out["findings"].push_back(std::move(each));
  }
  return json_text(out);
}

int doctor(const Arguments& arguments) {
  process::CoreDumps::forbid();
  Findings findings;
  if (const auto loaded = check_configuration(arguments, findings)) {
    Findings agent;
    if (!address_refused(findings)) check_agent(arguments, loaded->config, agent);
    findings.insert(findings.end(), agent.begin(), agent.end());
    if (config::has_output(loaded->config)) {
      const RunningHelper helper =
          check_disks(loaded->config, loaded->file_used, renewal_of(agent), findings);
      check_process(loaded->config, helper, findings);
    }
  }
  const int written = print(arguments.json ? as_json(findings) : in_words(findings));
  return has_fail(findings) ? kFailed : written;
}

}  // namespace

constinit const Command kDoctorCommand = {.name = "doctor",
                                          .summary = "find out why there is no certificate",
                                          .help = kDoctorHelp,
                                          .run = &doctor,
                                          .prints_data = true,
                                          .keys = Keys::most};

}  // namespace spiffe::cli
