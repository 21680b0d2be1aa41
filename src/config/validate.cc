#include "config/validate.hh"

#include <array>
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/text.hh"
#include "config/outputs.hh"
#include "config/path_join.hh"
#include "config/schema.hh"

namespace spiffe::config {

namespace {

// Refuses with the place of a key's value; without a place where the key was not set.
std::unexpected<Error> refuse(const Origins& origins, std::string_view key, const std::string& message,
                              std::string hint = {}) {
  const auto origin = origins.find(key);
  const std::string where = origin == origins.end() ? "" : origin->second.value + ": ";
  return fail(ErrorKind::config, where + message, std::move(hint));
}

Result<void> check_triple(const X509Outputs& x, const Origins& origins, const std::string& prefix) {
  const std::array<std::pair<std::string, bool>, 3> files = {
      {{"svid_file_name", !x.svid_file_name.empty()},
       {"svid_key_file_name", !x.svid_key_file_name.empty()},
       {"svid_bundle_file_name", !x.svid_bundle_file_name.empty()}}};
  std::string missing;
  std::string present;
  for (const auto& [key, set] : files) {
    if (set && present.empty()) present = key;
    if (!set) missing += (missing.empty() ? "" : " and ") + key;
  }
  if (missing.empty() || present.empty()) return {};
  const bool several = missing.find(' ') != std::string::npos;
  return refuse(origins, prefix + present,
                prefix + present + " is set, but " + missing + (several ? " are" : " is") + " not",
                "set all of svid_file_name, svid_key_file_name and svid_bundle_file_name, or none");
}

Result<void> check_selection(bool hint, bool id, const Origins& origins, const std::string& prefix) {
  if (!hint || !id) return {};
  return refuse(origins, prefix + "spiffe_id",
                prefix + "hint and " + prefix + "spiffe_id are both set: use one of them");
}

Result<void> check_names(const Config& config, const Origins& origins) {
  for (const OutputPath& output : output_paths(config)) {
    const std::string what = output.key + " " + quote_short(output.name);
    const std::string clean = clean_path(output.name);
    if (clean == "." || clean == "/") return refuse(origins, output.key, what + " names no file");
    if (leaves_directory(output.name)) return refuse(origins, output.key, what + " leads out of cert_dir");
    if (clean.starts_with("..") || clean.find("/..") != std::string::npos) {
      return refuse(origins, output.key, what + ": names that begin with \"..\" are the helper's own");
    }
  }
  return {};
}

// Two outputs may neither share a path nor need one to be a directory and a file at once.
Result<void> check_collisions(const Config& config, const Origins& origins) {
  std::map<std::string, std::string, std::less<>> seen;  // key by path
  const auto below = [&](const OutputPath& at, const std::string& inner, const std::string& outer) {
    return refuse(origins, at.key, inner + " lies below " + outer + ", which is a file");
  };
  const auto is_file = [](const std::string& key) { return !key.ends_with("_dir"); };
  for (const OutputPath& output : output_paths(config)) {
    const auto [own, first] = seen.try_emplace(output.path, output.key);
    if (!first) {
      return refuse(origins, output.key,
                    own->second + " and " + output.key + " are the same file, " + quote(output.path));
    }
    std::string_view parent = output.path;
    for (std::size_t slash = parent.rfind('/'); slash != std::string_view::npos; slash = parent.rfind('/')) {
      parent = parent.substr(0, slash);
      const auto around = seen.find(parent);
      if (around != seen.end() && is_file(around->second)) return below(output, output.key, around->second);
    }
    const std::string directory = output.path + "/";
    const auto inside = seen.lower_bound(directory);
    if (inside != seen.end() && inside->first.starts_with(directory) && is_file(output.key))
      return below(output, inside->second, output.key);
  }
  return {};
}

Result<void> check_jwt_svids(const Config& config, const Origins& origins) {
  for (std::size_t i = 0; i < config.jwt_svids.size(); ++i) {
    const JwtSvid& svid = config.jwt_svids[i];
    const std::string item = "jwt_svids[" + std::to_string(i) + "]";
    if (svid.jwt_svid_file_name.empty()) return refuse(origins, item, item + " needs jwt_svid_file_name");
    if (svid.jwt_audience.empty()) return refuse(origins, item, item + " needs jwt_audience");
    if (auto good = check_selection(!svid.hint.empty(), svid.spiffe_id.has_value(), origins, item + ".");
        !good)
      return good;
  }
  return {};
}

Result<void> check_wit_svids(const Config& config, const Origins& origins) {
  for (std::size_t i = 0; i < config.wit_svids.size(); ++i) {
    const WitSvid& svid = config.wit_svids[i];
    const std::string item = "wit_svids[" + std::to_string(i) + "]";
    if (svid.wit_svid_file_name.empty()) return refuse(origins, item, item + " needs wit_svid_file_name");
    if (svid.wit_svid_key_file_name.empty())
      return refuse(origins, item, item + " needs wit_svid_key_file_name");
    if (auto good = check_selection(!svid.hint.empty(), svid.spiffe_id.has_value(), origins, item + ".");
        !good)
      return good;
  }
  return {};
}

Result<void> check_x509_svids(const Config& config, const Origins& origins) {
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) {
    const X509Svid& svid = config.x509_svids[i];
    const std::string item = "x509_svids[" + std::to_string(i) + "]";
    if (svid.hint.empty() && svid.spiffe_id.empty())
      return refuse(origins, item, item + " needs hint or spiffe_id");
    if (auto good = check_selection(!svid.hint.empty(), !svid.spiffe_id.empty(), origins, item + "."); !good)
      return good;
    if (auto good = check_triple(svid.outputs, origins, item + "."); !good) return good;
    if (!svid.spiffe_id.empty() && !svid.spiffe_id.ends_with('*')) {
      if (auto id = identity::SpiffeId::parse(svid.spiffe_id); !id) {
        return refuse(origins, item + ".spiffe_id", item + ".spiffe_id: " + id.error().message,
                      id.error().hint);
      }
    }
    if (!svid.dir.empty() && leaves_directory(svid.dir) && clean_path(svid.dir) != ".") {
      return refuse(origins, item + ".dir",
                    item + ".dir " + quote_short(svid.dir) + " leads out of cert_dir");
    }
    if (!svid.pid_file_name.empty() && svid.renew_signal == 0) {
      return refuse(origins, item + ".pid_file_name",
                    item + ".pid_file_name needs renew_signal, the signal to send");
    }
  }
  return {};
}

Result<void> check_process(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  const auto place_of = [&origins](std::string_view key) {
    const auto origin = origins.find(key);
    return origin == origins.end() ? std::string() : origin->second.key;
  };
  if (!config.daemon_mode) {
    const auto warn_ignored = [&](std::string_view key) {
      // The Go helper's words.
      warnings.push_back(
          {fmt::format("{0} is set but daemon_mode is false. {0} will be ignored. This may become an "
                       "error in a future release.",
                       key),
           place_of(key)});
    };
    if (!config.cmd.empty()) warn_ignored("cmd");
    if (config.renew_signal != 0) warn_ignored("renew_signal");
    if (!config.pid_file_name.empty()) {
      return refuse(origins, "pid_file_name",
                    "pid_file_name works in daemon mode only, and daemon_mode is false",
                    "add -pid-file-name= to the command line, or remove the key; renew_cmd with "
                    "renew_cmd_once = true notifies a process once");
    }
  } else if (origins.contains("timeout")) {
    warnings.push_back({"timeout is ignored in daemon mode: there is no limit", place_of("timeout")});
  }
  if (!config.pid_file_name.empty() && config.renew_signal == 0) {
    return refuse(origins, "pid_file_name", "pid_file_name needs renew_signal, the signal to send",
                  "set renew_signal, as in renew_signal = \"SIGHUP\"");
  }
  return {};
}

Result<void> check_notify_on(const Config& config, const Origins& origins) {
  for (const Change change : config.notify_on) {
    if (writes(config, change)) continue;
    const std::string_view name = change == Change::x509 ? "x509" : change == Change::jwt ? "jwt" : "bundle";
    return refuse(origins, "notify_on",
                  fmt::format("notify_on has \"{}\", but no such file is configured", name),
                  change == Change::x509  ? "set svid_file_name and the like, or leave it out of notify_on"
                  : change == Change::jwt ? "set jwt_svids, or leave it out of notify_on"
                                          : "set jwt_bundle_file_name, or leave it out of notify_on");
  }
  return {};
}

// What would be accepted and ignored.
Result<void> check_supervision(const Config& config, const Origins& origins) {
  const bool wrap = config.cmd_mode == CmdMode::wrap;
  if (wrap && config.cmd.empty()) {
    return refuse(origins, "cmd_mode", "cmd_mode is \"wrap\", but there is no cmd",
                  "set cmd, or give the command behind --");
  }
  if (wrap && !config.daemon_mode) {
    return refuse(origins, "daemon_mode", "a wrapped command needs daemon mode, and daemon_mode is false",
                  "remove daemon_mode = false, or remove the command and start it after the helper: "
                  "spiffe-helper -daemon-mode=false && COMMAND");
  }
  if (wrap && !config.stop_cmd_on_exit) {
    return refuse(origins, "stop_cmd_on_exit", "stop_cmd_on_exit = false is for cmd_mode = \"job\" only",
                  "set cmd and cmd_args in place of a command after --, with cmd_mode = \"job\"; or leave "
                  "stop_cmd_on_exit at true");
  }
  if (config.on_rotate == OnRotate::signal && config.renew_signal == 0) {
    return refuse(origins, "on_rotate", "on_rotate is \"signal\", but renew_signal is not set",
                  "set renew_signal, or on_rotate = \"restart\" if no signal makes the program reload");
  }
  if (config.on_rotate == OnRotate::restart && config.cmd.empty()) {
    return refuse(origins, "on_rotate", "on_rotate is \"restart\", but there is no cmd",
                  "set cmd, or give the command behind --; renew_cmd runs a command at every rotation");
  }
  for (const int taken : {SIGTERM, SIGINT, SIGCHLD, SIGKILL, SIGSTOP}) {
    if (config.config_reload_signal != taken) continue;
    return refuse(origins, "config_reload_signal",
                  "config_reload_signal may not be a signal that has another meaning for the helper",
                  "SIGHUP, SIGUSR1 and SIGUSR2 are usual");
  }
  return check_notify_on(config, origins);
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(AF_INET, text.c_str(), raw.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), raw.data()) == 1;
}

Result<void> check_health(const HealthChecks& health, const Origins& origins) {
  const auto full = [](std::string_view key) { return "health_checks." + std::string(key); };
  if (!health.bind_address.empty() && !is_ip_address(health.bind_address)) {
    return refuse(origins, full("bind_address"),
                  full("bind_address") + " must be an IP address, not " + quote_short(health.bind_address));
  }
  if (!health.listener_enabled) return {};
  const std::array<std::pair<std::string_view, std::string_view>, 3> paths = {
      {{"liveness_path", health.liveness_path},
       {"readiness_path", health.readiness_path},
       {"metrics_path", health.metrics_path}}};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto& [key, path] = paths[i];
    if (path.empty()) continue;
    if (!path.starts_with('/')) {
      return refuse(origins, full(key), full(key) + " must begin with /, not " + quote_short(path));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (paths[j].second != path) continue;
      const bool later_set = origins.contains(full(key));
      return refuse(origins, full(later_set ? key : paths[j].first),
                    full(paths[j].first) + " and " + full(key) + " are both " + quote_short(path));
    }
  }
  return {};
}

// How a value would be written.
std::string shown(const Value& value) {
  return value.kind == Value::Kind::text ? quote(value.text) : describe(value);
}

}  // namespace

Result<void> validate(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  if (auto good = check_triple(config.x509, origins, ""); !good) return good;
  if (auto good = check_selection(!config.hint.empty(), config.spiffe_id.has_value(), origins, ""); !good)
    return good;
  if (auto good = check_jwt_svids(config, origins); !good) return good;
  if (auto good = check_wit_svids(config, origins); !good) return good;
  if (auto good = check_x509_svids(config, origins); !good) return good;
  if (auto good = check_names(config, origins); !good) return good;
  if (auto good = check_collisions(config, origins); !good) return good;
  if (auto good = check_process(config, origins, warnings); !good) return good;
  if (auto good = check_supervision(config, origins); !good) return good;
  return check_health(config.health_checks, origins);
}

bool has_output(const Config& config) {
  return !output_paths(config).empty() || !config.credential_folder.empty();
}

Config implied_defaults(const Config& config) {
  Config out;
  out.on_rotate = config.renew_signal != 0 ? OnRotate::signal : OnRotate::none;
  out.renew_signal_guard = config.cmd_mode == CmdMode::wrap;
  out.config_reload_signal = config.cmd_mode == CmdMode::job ? SIGHUP : 0;
  for (const Change change : {Change::x509, Change::jwt, Change::bundle}) {
    if (out.notify_on.empty() && writes(config, change)) out.notify_on.push_back(change);
  }
  return out;
}

Config with_implied_defaults(Config config) {
  Config implied = implied_defaults(config);
  if (!config.on_rotate) config.on_rotate = implied.on_rotate;
  if (!config.renew_signal_guard) config.renew_signal_guard = implied.renew_signal_guard;
  if (config.config_reload_signal == 0) config.config_reload_signal = implied.config_reload_signal;
  if (config.notify_on.empty()) config.notify_on = std::move(implied.notify_on);
  return config;
}

Result<void> refuse_unsupported(const Config& config, const Origins& origins) {
  const Config defaults;
  const Config implied = implied_defaults(config);
  for (const Key& key : config_keys()) {
    const auto origin = origins.find(key.name);
    if (key.stage <= kSupportedStage || origin == origins.end()) continue;
    const std::string_view section = key.name.substr(0, key.name.find('.'));
    if (section == "health_checks" && !config.health_checks.listener_enabled) continue;
    const Value value = key.show(&config);
    if (value.same_as(key.show(&defaults)) || value.same_as(key.show(&implied))) continue;
    const auto place = origins.find(section);
    const Value standard = key.show(&defaults);
    const bool has_standard = standard.kind == Value::Kind::boolean || !standard.text.empty();
    return fail(
        ErrorKind::config,
        (place == origins.end() ? origin : place)->second.key + ": key " + quote(section) +
            " is not supported yet by this version",
        has_standard && section == key.name ? "leave it out, or at its default, " + shown(standard) : "");
  }
  return {};
}

}  // namespace spiffe::config
