// config-driver says what this project makes of configuration files, cmd_args and path names, many inputs in
// one process. It is the counterpart of the Go helper's tests/interop/peers/go-helper/oracle, with the same
// input and answers; the tests compare them. Not installed.
//
//   config-driver config   reads {"path": FILE, "env": {NAME: VALUE}} lines
//   config-driver args     reads cmd_args, one JSON string a line
//   config-driver join     reads [DIRECTORY, NAME] lines
//
// Each line is answered by one of JSON: {"error": TEXT} or what became of it. In strings every byte is the
// character of that number, so that inputs and answers need not be UTF-8.
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "config/csv_args.hh"
#include "config/load.hh"
#include "config/path_join.hh"

namespace {

using nlohmann::json;
namespace config = spiffe::config;

std::string latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

json latin1_all(const std::vector<std::string>& texts) {
  json out = json::array();
  for (const std::string& text : texts) out.push_back(latin1(text));
  return out;
}

std::string bytes(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool pair = byte >= 0x80 && i + 1 < text.size();
    out += pair ? static_cast<char>((byte & 0x03) << 6 | (text[i + 1] & 0x3F)) : text[i];
    if (pair) ++i;
  }
  return out;
}

json failed(const spiffe::Error& error) {
  return {{"error", latin1(error.message)}};
}

std::string name_of(const config::Config& c, std::string_view key) {
  const auto found = c.x509.names.find(key);
  return found == c.x509.names.end() ? "" : latin1(found->second);
}

// Under the names of the keys; for keys that the Go helper has.
json values(const config::Config& c) {
  json jwts = json::array();
  for (const config::JwtSvid& jwt : c.jwt_svids) {
    jwts.push_back({{"jwt_audience", latin1(jwt.jwt_audience)},
                    {"jwt_extra_audiences", latin1_all(jwt.jwt_extra_audiences)},
                    {"jwt_svid_file_name", latin1(jwt.jwt_svid_file_name)}});
  }
  return {{"agent_address", latin1(c.agent_address.uri())},
          {"cmd", latin1(c.cmd)},
          {"cmd_args", latin1_all(c.cmd_args)},
          {"cert_dir", latin1(c.cert_dir)},
          {"hint", latin1(c.hint)},
          {"pid_file_name", latin1(c.pid_file_name)},
          {"svid_file_name", name_of(c, "svid_file_name")},
          {"svid_key_file_name", name_of(c, "svid_key_file_name")},
          {"svid_bundle_file_name", name_of(c, "svid_bundle_file_name")},
          {"jwt_bundle_file_name", latin1(c.jwt_bundle_file_name)},
          {"jwt_svids", std::move(jwts)},
          {"add_intermediates_to_bundle", c.x509.options.add_intermediates_to_bundle},
          {"include_federated_domains", c.x509.options.include_federated_domains},
          {"omit_expired", c.x509.options.omit_expired},
          {"daemon_mode", c.daemon_mode},
          {"cert_file_mode", c.cert_file_mode},
          {"key_file_mode", c.key_file_mode},
          {"jwt_bundle_file_mode", c.jwt_bundle_file_mode},
          {"jwt_svid_file_mode", c.jwt_svid_file_mode},
          {"renew_signal", c.renew_signal},
          {"health_checks.listener_enabled", c.health_checks.listener_enabled},
          {"health_checks.bind_port", c.health_checks.bind_port},
          {"health_checks.liveness_path", latin1(c.health_checks.liveness_path)},
          {"health_checks.readiness_path", latin1(c.health_checks.readiness_path)}};
}

json read_config(const json& input) {
  config::LoadOptions options;
  options.path = input.at("path").get<std::string>();
  options.path_given = true;
  for (const auto& [name, value] : input.at("env").get<std::map<std::string, std::string>>()) {
    options.environment.emplace_back(name, value);
  }
  const auto loaded = config::load(options);
  if (!loaded) return failed(loaded.error());
  json warnings = json::array();
  for (const config::Warning& warning : loaded->warnings) warnings.push_back(latin1(warning.message));
  return {{"values", values(loaded->config)}, {"warnings", std::move(warnings)}};
}

json read_args(const json& input) {
  const auto args = config::split_args(bytes(input.get<std::string>()));
  return args ? json{{"values", latin1_all(*args)}} : failed(args.error());
}

json read_join(const json& input) {
  const auto directory = bytes(input.at(0).get<std::string>());
  return {{"values", latin1(config::join_path(directory, bytes(input.at(1).get<std::string>())))}};
}

int run(std::string_view mode) {
  const auto read = mode == "config" ? read_config
                    : mode == "args" ? read_args
                    : mode == "join" ? read_join
                                     : nullptr;
  if (read == nullptr) {
    std::cerr << "usage: config-driver config|args|join\n";
    return 2;
  }
  for (std::string line; std::getline(std::cin, line);) std::cout << read(json::parse(line)).dump() << '\n';
  return std::cin.bad() || !std::cout.flush() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc == 2 ? argv[1] : "");
  } catch (const std::exception& error) {
    std::cerr << "config-driver: " << error.what() << '\n';
    return 1;
  }
}
