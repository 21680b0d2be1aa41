#include "cli/doctor_command.hh"

#include <string>

#include <unistd.h>

#include "base/text.hh"
#include "cli/arguments.hh"
#include "cli/cat.hh"
#include "cli/doctor_agent.hh"
#include "cli/doctor_disk.hh"
#include "cli/doctor_process.hh"
#include "cli/exit.hh"
#include "cli/json_text.hh"
#include "cli/stdout.hh"
#include "cli/terminal.hh"
#include "config/validate.hh"
#include "daemon/settings.hh"
#include "process/core_dumps.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kHelp = R"(Usage: spiffe-helper doctor [flags]

Walks the way that a credential takes, from the configuration and the agent's
socket over the SVID to cert_dir, the files in it and the program that is told
of them. Each line begins with ok, warn or fail and names the step; a hint says
what to try next. Goes on where it can. Exit status 1 where a line is fail.

It changes nothing, waits for no lock and signals nobody. Run it where the
helper runs, as its user: the agent tells processes apart.

Flags:
  -config FILE             the configuration to look at (default helper.conf)
  -agent-address ADDRESS   another agent than the configured one
  -timeout DURATION        longest wait for the agent (default 10s)
  -output text|json        how to print (default text); JSON is an object with
                           ok and the list findings: grade, step, message, hint

Examples:
  spiffe-helper doctor -config /etc/spiffe-helper/helper.conf
  spiffe-helper doctor -agent-address unix:///run/spire/agent.sock
)";

constexpr std::chrono::seconds kTimeout{10};

// The configuration as far as it can be read; findings say what is wrong with it.
std::optional<config::Loaded> check_configuration(const Arguments& arguments, Findings& out) {
  config::LoadOptions options = arguments.configuration;
  auto loaded = config::load(options);
  if (loaded) {
    const std::string& file = loaded->file_used;
    add(out, Grade::ok, "configuration", (file.empty() ? "no file" : escape(file)) + " is valid");
    for (const auto& warning : loaded->warnings) {
      add(out, Grade::warn, "configuration", (warning.at.empty() ? "" : warning.at + ": ") + warning.message,
          "spiffe-helper config convert writes the keys with the names of today");
    }
    return *std::move(loaded);
  }
  Finding bad{Grade::fail, "configuration", loaded.error().message, loaded.error().hint};
  if (bad.hint.empty()) bad.hint = "correct it; spiffe-helper config check looks at it alone";
  // An address that nobody may use is a step of its own.
  if (bad.message.find("address \"") != std::string::npos) bad.step = "address";
  out.push_back(std::move(bad));
  options.allow_unsupported = true;
  options.allow_no_output = true;
  if (auto partial = config::load(options)) return *std::move(partial);
  // The file is of no use; flags and variables may lead to the agent all the same.
  options.path = {};
  options.path_given = false;
  if (auto bare = config::load(options); bare && bare->config.agent_address_source != "default")
    return *std::move(bare);
  return std::nullopt;
}

void check_agent(const Arguments& arguments, const config::Config& config, Findings& out) {
  const Endpoint& endpoint = config.agent_address;
  add(out, Grade::ok, "address", cat({endpoint.uri(), ", from ", config.agent_address_source}));
  if (endpoint.kind() == Endpoint::Kind::unix_socket) {
    check_socket(endpoint, out);
    if (out.back().grade == Grade::fail) {
      if (config.agent_address_source == "default")
        out.back().hint += "; no address is configured, this is the default";
      return;
    }
  }
  check_answer(endpoint, daemon::x509_rules(config), arguments.timeout.value_or(kTimeout), out);
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
    check_agent(arguments, loaded->config, findings);
    if (config::has_output(loaded->config)) {
      const RunningHelper helper = check_disk(loaded->config, loaded->file_used, findings);
      check_process(loaded->config, helper, findings);
    }
  }
  const int written = print(arguments.json ? as_json(findings) : in_words(findings));
  return has_fail(findings) ? kFailed : written;
}

}  // namespace

constinit const Command kDoctorCommand = {.name = "doctor",
                                          .summary = "find out why there is no certificate",
                                          .help = kHelp,
                                          .run = &doctor,
                                          .prints_data = true};

}  // namespace spiffe::cli
