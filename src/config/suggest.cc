#include "config/suggest.hh"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hh"

namespace spiffe::config {

namespace {

// Names without '_' and in lower case that do not resemble the key.
constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"agentsocket", "agent_address"},
    {"agentsocketpath", "agent_address"},
    {"agentsock", "agent_address"},
    {"socket", "agent_address"},
    {"socketpath", "agent_address"},
    {"spiffesocket", "agent_address"},
    {"spiffeendpointsocket", "agent_address"},
    {"workloadapi", "agent_address"},
    {"workloadapiaddress", "agent_address"},
    {"workloadapiaddr", "agent_address"},
    {"workloadapisocket", "agent_address"},
    {"outputdir", "cert_dir"},
    {"outdir", "cert_dir"},
    {"dir", "cert_dir"},
    {"directory", "cert_dir"},
    {"cert", "svid_file_name"},
    {"certfile", "svid_file_name"},
    {"certfilename", "svid_file_name"},
    {"certificate", "svid_file_name"},
    {"tlscert", "svid_file_name"},
    {"key", "svid_key_file_name"},
    {"keyfile", "svid_key_file_name"},
    {"privatekey", "svid_key_file_name"},
    {"privatekeyfile", "svid_key_file_name"},
    {"tlskey", "svid_key_file_name"},
    {"ca", "svid_bundle_file_name"},
    {"cafile", "svid_bundle_file_name"},
    {"cacert", "svid_bundle_file_name"},
    {"cabundle", "svid_bundle_file_name"},
    {"trustbundle", "svid_bundle_file_name"},
    {"trustbundlefile", "svid_bundle_file_name"},
    {"trustbundlefilename", "svid_bundle_file_name"},
    {"bundle", "svid_bundle_file_name"},
    {"bundlefile", "svid_bundle_file_name"},
    {"federated", "include_federated_domains"},
    {"command", "cmd"},
    {"program", "cmd"},
    {"args", "cmd_args"},
    {"arguments", "cmd_args"},
    {"signal", "renew_signal"},
    {"reloadsignal", "renew_signal"},
    {"hupsignal", "renew_signal"},
    {"reloadcmd", "renew_cmd"},
    {"reloadcommand", "renew_cmd"},
    {"renewcommand", "renew_cmd"},
    {"pidfile", "pid_file_name"},
    {"killsignal", "stop_signal"},
    {"oneshot", "daemon_mode"},
    {"once", "daemon_mode"},
    {"daemon", "daemon_mode"},
    {"port", "bind_port"},
    {"healthport", "health_checks"},
    {"healthcheck", "health_checks"},
    {"audience", "jwt_audience"},
    {"loglevel", "log_level"},
    {"level", "log_level"},
};

}  // namespace

std::string_view suggest_key(std::string_view name, std::span<const std::string_view> candidates) {
  std::string bare = lower(name);
  std::erase_if(bare, [](char c) { return c == '_' || c == '-'; });
  for (const auto& [other, key] : kOtherNames) {
    if (bare == other && std::ranges::find(candidates, key) != candidates.end()) return key;
  }
  return nearest(name, candidates);
}

}  // namespace spiffe::config
