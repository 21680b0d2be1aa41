#include "cli/health_command.hh"

#include <algorithm>
#include <array>
#include <string>

#include <unistd.h>

#include "base/text.hh"
#include "cli/args/arguments.hh"
#include "cli/text/exit.hh"
#include "cli/text/json_text.hh"
#include "cli/text/stdout.hh"
#include "cli/text/terminal.hh"
#include "cli/text/voice.hh"
#include "health/client.hh"
#include "identity/json.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kHealthHelp = R"(Usage: spiffe-helper health [flags] [-- COMMAND ARGUMENT...]

Asks the health endpoint of a running helper, as a probe does: for images
without curl. Prints the answer. Exit status 0: 200. 1: another answer. 4: the
endpoint cannot be reached. 124: no answer in time.

The endpoint is that of health_checks in the configuration, unless a flag names
another.

Flags:
  -liveness             ask for liveness instead of readiness
  -address IP:PORT      where to ask
  -unix-socket PATH     where to ask
  -config FILE          configuration file (default helper.conf, if there)
  -timeout DURATION     longest wait (default 5s), 0 for no limit
  -output text|json     how to print (default text)

Every configuration key is a flag as well, as for run.

Examples:
  spiffe-helper health -config /etc/spiffe-helper/helper.conf
  spiffe-helper health -liveness -unix-socket /run/helper/health.sock
)";

constexpr std::array<CommandFlag, 3> kHealthFlags = {{
    {"liveness", "", "ask for liveness instead of readiness"},
    {"address", "IP:PORT", "where to ask"},
    {"unix-socket", "PATH", "where to ask"},
}};
constexpr std::chrono::seconds kHealthTimeout{5};

// The address to connect to. A wildcard address is replaced by the loopback address.
std::string reachable(const config::HealthChecks& checks) {
  std::string host = checks.bind_address;
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "tcp://" + host + ":" + std::to_string(checks.bind_port);
}

Result<Endpoint> endpoint_of(const Arguments& arguments, const config::HealthChecks& checks) {
  const std::string address(arguments.value("address"));
  const std::string path(arguments.value("unix-socket"));
  if (!address.empty() && !path.empty())
    return fail(ErrorKind::usage, "-address and -unix-socket are both given", "leave one out");
  if (!path.empty()) return Endpoint::parse(path);
  if (!address.empty()) {
    auto endpoint = Endpoint::parse("tcp://" + address);
    if (!endpoint) {
      return fail(ErrorKind::usage, "-address " + quote(address) + " is not IP:PORT",
                  "write 127.0.0.1:8081 or [::1]:8081");
    }
    return endpoint;
  }
  if (!checks.listener_enabled) {
    return fail(ErrorKind::config, "health checks are not enabled in the configuration",
                "set health_checks.listener_enabled, or give -address or -unix-socket");
  }
  return Endpoint::parse(checks.unix_socket.empty() ? reachable(checks) : checks.unix_socket);
}

Json in_order(const nlohmann::json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>();
  if (value.is_null()) return nullptr;
  Json out = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, member] : value.items()) {
    if (value.is_array()) {
      out.push_back(in_order(member));
    } else {
      out[key] = in_order(member);
    }
  }
  return out;
}

// Adds one row for each text or flag in the answer: the path of names to it, and the text.
void add_rows(TextTable& table, const nlohmann::json& value, const std::string& name) {
  constexpr std::array<std::string_view, 3> kDull = {"health", "file_write_statuses", "jwt_write_status"};
  if (value.is_string()) table.row({name, escape(value.get_ref<const std::string&>())});
  if (value.is_boolean()) table.row({name, value.get<bool>() ? "yes" : "no"});
  if (!value.is_object()) return;
  for (const auto& [key, member] : value.items()) {
    const bool dull = std::ranges::find(kDull, key) != kDull.end();
    const std::string shown = key == "x509_write_status" ? "x509" : escape(key);
    const std::string before = name.empty() ? "" : name + " ";
    add_rows(table, member, dull ? name : before + shown);
  }
}

std::string text_of(const health::Reply& reply, const Result<nlohmann::json>& body) {
  if (!body) return escape(reply.body) + "\n";
  TextTable table(Terminal::of(STDOUT_FILENO).width);
  nlohmann::json rest = *body;
  if (rest.is_object() && rest.contains("status")) {
    add_rows(table, rest["status"], "status");
    rest.erase("status");
  }
  add_rows(table, rest, "");
  return table.text();
}

int health_command(const Arguments& arguments) {
  const bool liveness = arguments.set("liveness");
  const bool given = !arguments.value("address").empty() || !arguments.value("unix-socket").empty();
  config::HealthChecks checks;
  if (!given || arguments.configuration.path_given || !arguments.configuration.flags.empty()) {
    const auto loaded = load_partial(arguments);
    if (!loaded) return report(loaded.error());
    checks = loaded->config.health_checks;
  }
  const auto endpoint = endpoint_of(arguments, checks);
  if (!endpoint) return report(endpoint.error());
  const std::string& path = liveness ? checks.liveness_path : checks.readiness_path;
  const auto reply = health::ask(*endpoint, path, arguments.timeout.value_or(kHealthTimeout));
  if (!reply) return report(reply.error());

  const auto body = identity::parse_json(reply->body, reply->body.size());
  std::string out = text_of(*reply, body);
  if (arguments.json) {
    out = json_text({{"address", endpoint->uri()},
                     {"path", path},
                     {"code", reply->code},
                     {"answer", body ? in_order(*body) : Json(reply->body)}});
  }
  const int written = print(out);
  if (reply->code == 200) return written;
  constexpr int kUnavailable = 503;
  return report({ErrorKind::failed,
                 (liveness ? "not alive: " : "not ready: ") + path + " answers " +
                     std::to_string(reply->code) + " " + escape(reply->reason),
                 reply->code == kUnavailable ? "spiffe-helper doctor looks for the reason, the log has it"
                                             : "is that the health endpoint of a helper, and its path?"});
}

}  // namespace

constinit const Command kHealthCommand = {.name = "health",
                                          .summary = "ask a running helper whether it is well",
                                          .help = kHealthHelp,
                                          .run = &health_command,
                                          .flags = kHealthFlags,
                                          .prints_data = true,
                                          .keys = Keys::most};

}  // namespace spiffe::cli
