#include "config/effects.hh"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "config/identities.hh"
#include "config/lifecycle.hh"
#include "config/outputs.hh"
#include "config/schema.hh"
#include "config/validate.hh"
#include "output/formats.hh"

namespace spiffe::config {

namespace {

struct Effect {
  std::string_view key;
  std::string_view needs;  // the key has no effect without this
  bool (*has)(const Config& config);
};

bool program(const Config& c) {
  return !c.cmd.empty();
}
bool renew_cmd(const Config& c) {
  return !c.renew_cmd.empty() ||
         std::ranges::any_of(c.x509_svids, [](const X509Svid& each) { return !each.renew_cmd.empty(); });
}
bool prepare_cmd(const Config& c) {
  return !c.prepare_cmd.empty() ||
         std::ranges::any_of(c.x509_svids, [](const X509Svid& each) { return !each.prepare_cmd.empty(); });
}
bool reload_cmd(const Config& c) {
  return !c.reload.cmd.empty();
}
bool pid_file(const Config& c) {
  return !c.pid_file_name.empty() ||
         std::ranges::any_of(c.x509_svids, [](const X509Svid& each) { return !each.pid_file_name.empty(); });
}
bool anybody(const Config& c) {
  return program(c) || pid_file(c) || renew_cmd(c) || prepare_cmd(c) || reload_cmd(c);
}
bool signals(const Config& c) {
  return !c.pid_file_name.empty() || !program(c) ||
         c.on_rotate.value_or(OnRotate::signal) == OnRotate::signal;
}
bool has(const Config& c, std::string_view output) {
  return c.x509.names.contains(output);
}
bool x509(const Config& c) {
  return writes(c, identity::Kind::x509);
}
// At the top level, not in x509_svids.
bool flat(const Config& c) {
  return !c.x509.names.empty();
}
// With only a JWKS, spiffe_id is what defines its trust domain.
bool jwks(const Config& c) {
  return !c.jwks_file_name.empty();
}
// A token without its own selection uses that of hint or spiffe_id.
bool chooses(const Config& c) {
  return flat(c) || std::ranges::any_of(c.jwt_svids, [](const JwtSvid& svid) {
           return svid.hint.empty() && !svid.spiffe_id;
         });
}
bool keystore(const Config& c) {
  return output::any_has(c.x509.names, &output::Format::password);
}
bool daemon_mode(const Config& c) {
  return c.daemon_mode;
}

constexpr std::string_view kAnybody = "cmd, pid_file_name, renew_cmd or prepare_cmd";
constexpr std::string_view kX509Output = "an X.509 output such as svid_file_name";
constexpr std::string_view kKeystore = "svid_keystore_file_name or truststore_file_name";
constexpr std::string_view kDaemon = "daemon_mode = true";

// A key may have several rows: the first one that is not met counts.
constexpr Effect kEffects[] = {
    {"cmd_args", "cmd", &program},
    {"renew_signal", "cmd or pid_file_name",
     [](const Config& c) { return program(c) || !c.pid_file_name.empty(); }},
    {"renew_signal", "on_rotate = \"signal\" or pid_file_name", &signals},
    {"stop_signal", "cmd", &program},
    {"stop_timeout", "cmd", &program},
    {"stop_cmd_on_exit", "cmd", &program},
    {"on_rotate", "cmd", &program},
    {"restart", "cmd", &program},
    {"start_timeout", "cmd", &program},
    {"renew_signal_guard", "cmd and renew_signal",
     [](const Config& c) { return program(c) && c.renew_signal != 0; }},
    {"notify_on", kAnybody, &anybody},
    {"renew_debounce", kAnybody, &anybody},
    {"renew_splay", kAnybody, &anybody},
    {"renew_cmd", "daemon_mode = true or renew_cmd_once = true",
     [](const Config& c) { return c.daemon_mode || c.renew_cmd_once; }},
    {"renew_cmd_timeout", "renew_cmd", &renew_cmd},
    {"renew_cmd_at_start", "cmd and renew_cmd",
     [](const Config& c) { return program(c) && !c.renew_cmd.empty(); }},
    {"renew_cmd_once", "renew_cmd", &renew_cmd},
    {"pid_file_check", "pid_file_name", &pid_file},
    {"prepare_cmd_timeout", "prepare_cmd or reload.cmd",
     [](const Config& c) { return prepare_cmd(c) || reload_cmd(c); }},
    {"reload.args", "reload.cmd", &reload_cmd},
    {"subreaper", "cmd or renew_cmd", [](const Config& c) { return program(c) || !c.renew_cmd.empty(); }},
    {"revoke", kX509Output, &x509},
    {"revoke", kDaemon, &daemon_mode},
    {"revoke_after", "revoke = \"remove\"", [](const Config& c) { return c.revoke == Revoke::remove; }},
    {"hint", kX509Output, &chooses},
    {"spiffe_id", kX509Output, [](const Config& c) { return chooses(c) || jwks(c); }},
    {"verify", kX509Output, &x509},
    {"add_intermediates_to_bundle", kX509Output, &flat},
    {"include_federated_domains", kX509Output, &flat},
    {"omit_expired", kX509Output, &flat},
    {"key_format", "svid_key_file_name or svid_combined_file_name",
     [](const Config& c) { return has(c, "svid_key_file_name") || has(c, "svid_combined_file_name"); }},
    {"combined_order", "svid_combined_file_name",
     [](const Config& c) { return has(c, "svid_combined_file_name"); }},
    {"credential_folder_draft", "credential_folder",
     [](const Config& c) { return has(c, "credential_folder"); }},
    {"keystore_password_file", kKeystore, &keystore},
    {"keystore_legacy", kKeystore, &keystore},
    {"cert_file_mode", kX509Output, &x509},
    {"key_file_mode", kX509Output, &x509},
    {"key_owner", kX509Output, &x509},
    {"key_group", kX509Output, &x509},
    {"jwt_svid_file_mode", "jwt_svids", [](const Config& c) { return !c.jwt_svids.empty(); }},
    {"jwt_bundle_file_mode", "jwt_bundle_file_name or jwks_file_name",
     [](const Config& c) { return writes(c, identity::Kind::bundle); }},
    {"health_checks.ready_includes_program", kAnybody, &anybody},
    {"health_checks.listener_enabled", kDaemon, &daemon_mode},
};

using Warn = std::function<void(const std::string& key, std::string_view needs)>;

// An entry of x509_svids is checked like a whole configuration.
void warn_of_entry(const Config& config, std::size_t index, const Origins& origins, const Warn& warn) {
  const X509Svid& svid = config.x509_svids[index];
  const X509Svid defaults;
  const Config entry = config_of(config, svid);
  std::string_view warned;
  for (const Effect& effect : kEffects) {
    const std::string name = entry_name(index) + "." + std::string(effect.key);
    if (effect.key == warned || effect.has(entry) || !origins.contains(name)) continue;
    const auto key = std::ranges::find(x509_svid_keys(), effect.key, &Key::name);
    if (key == x509_svid_keys().end() || key->show(&svid).same_as(key->show(&defaults))) continue;
    // An entry has no program.
    warn(name, effect.key == "renew_signal" ? "pid_file_name" : effect.needs);
    warned = effect.key;
  }
}

// The block alone does not enable the listener. With `listener_enabled = false`, this is intentional.
bool is_forgotten(const Config& config, const Origins& origins) {
  constexpr std::string_view kSection = "health_checks.";
  if (config.health_checks.listener_enabled || origins.contains("health_checks.listener_enabled"))
    return false;
  const auto first = origins.lower_bound(kSection);
  return first != origins.end() && first->first.starts_with(kSection);
}

}  // namespace

void warn_without_effect(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  // Without outputs, the configuration only serves to find the agent's address.
  if (!has_output(config)) return;
  const Warn warn = [&](const std::string& key, std::string_view needs) {
    const auto origin = origins.find(key);
    warnings.push_back({fmt::format("{} has no effect without {}", key, needs),
                        origin == origins.end() ? std::string() : origin->second.key,
                        "set what it needs, or remove it"});
  };
  const Config defaults;
  const Config implied = implied_defaults(config);
  std::string_view warned;
  for (const Effect& effect : kEffects) {
    if (effect.key == warned || effect.has(config) || !origins.contains(effect.key)) continue;
    const Key& key = *find_key(effect.key);
    const Value value = key.show(&config);
    if (value.same_as(key.show(&defaults)) || value.same_as(key.show(&implied))) continue;
    const std::string name = written_as(origins, effect.key);
    warn(name, name == "start.args" ? "start.cmd" : effect.needs);
    warned = effect.key;
  }
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) warn_of_entry(config, i, origins, warn);
  if (is_forgotten(config, origins)) warn("health_checks", "listener_enabled = true");
}

}  // namespace spiffe::config
