#include "config/effects.hh"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "config/outputs.hh"
#include "config/schema.hh"
#include "config/validate.hh"

namespace spiffe::config {

namespace {

struct Effect {
  std::string_view key;
  std::string_view needs;  // what the key has no effect without
  bool (*has)(const Config& config);
};

bool program(const Config& c) {
  return !c.cmd.empty();
}
bool anybody(const Config& c) {
  return program(c) || !c.pid_file_name.empty() || !c.renew_cmd.empty() || !c.prepare_cmd.empty();
}
bool signals(const Config& c) {
  return !c.pid_file_name.empty() || !program(c) ||
         c.on_rotate.value_or(OnRotate::signal) == OnRotate::signal;
}
bool x509(const Config& c) {
  return writes(c, Change::x509);
}
// A token without a choice of its own takes the identity that hint or spiffe_id choose.
bool chooses(const Config& c) {
  return x509(c) || std::ranges::any_of(c.jwt_svids, [](const JwtSvid& svid) {
           return svid.hint.empty() && !svid.spiffe_id;
         });
}
bool daemon_mode(const Config& c) {
  return c.daemon_mode;
}

constexpr std::string_view kAnybody = "cmd, pid_file_name, renew_cmd or prepare_cmd";
constexpr std::string_view kX509 = "svid_file_name, svid_key_file_name and svid_bundle_file_name";
constexpr std::string_view kDaemon = "daemon_mode = true";

// A key may have several rows: the first that is not met counts.
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
    {"renew_cmd_timeout", "renew_cmd", [](const Config& c) { return !c.renew_cmd.empty(); }},
    {"renew_cmd_at_start", "cmd and renew_cmd",
     [](const Config& c) { return program(c) && !c.renew_cmd.empty(); }},
    {"renew_cmd_once", "renew_cmd", [](const Config& c) { return !c.renew_cmd.empty(); }},
    {"pid_file_check", "pid_file_name", [](const Config& c) { return !c.pid_file_name.empty(); }},
    {"prepare_cmd_timeout", "prepare_cmd", [](const Config& c) { return !c.prepare_cmd.empty(); }},
    {"subreaper", "cmd or renew_cmd", [](const Config& c) { return program(c) || !c.renew_cmd.empty(); }},
    {"revoke", kX509, &x509},
    {"revoke", kDaemon, &daemon_mode},
    {"revoke_after", "revoke = \"remove\"", [](const Config& c) { return c.revoke == Revoke::remove; }},
    {"hint", kX509, &chooses},
    {"spiffe_id", kX509, &chooses},
    {"verify", kX509, &x509},
    {"add_intermediates_to_bundle", kX509, &x509},
    {"include_federated_domains", kX509, &x509},
    {"omit_expired", kX509, &x509},
    {"cert_file_mode", kX509, &x509},
    {"key_file_mode", kX509, &x509},
    {"key_owner", kX509, &x509},
    {"key_group", kX509, &x509},
    {"jwt_svid_file_mode", "jwt_svids", [](const Config& c) { return !c.jwt_svids.empty(); }},
    {"jwt_bundle_file_mode", "jwt_bundle_file_name",
     [](const Config& c) { return !c.jwt_bundle_file_name.empty(); }},
    {"health_checks.ready_includes_program", kAnybody, &anybody},
    {"health_checks.listener_enabled", kDaemon, &daemon_mode},
};

// The block alone does not switch the listener on; who wrote `listener_enabled = false` knows that.
bool is_forgotten(const Config& config, const Origins& origins) {
  constexpr std::string_view kSection = "health_checks.";
  if (config.health_checks.listener_enabled || origins.contains("health_checks.listener_enabled"))
    return false;
  const auto first = origins.lower_bound(kSection);
  return first != origins.end() && first->first.starts_with(kSection);
}

}  // namespace

void warn_without_effect(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  // Who wants no files only asks for the agent's address.
  if (!has_output(config)) return;
  const auto warn = [&](std::string_view key, std::string_view needs) {
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
    warn(effect.key, effect.needs);
    warned = effect.key;
  }
  if (is_forgotten(config, origins)) warn("health_checks", "listener_enabled = true");
}

}  // namespace spiffe::config
