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
#include "config/identities.hh"
#include "config/lifecycle.hh"
#include "config/outputs.hh"
#include "config/path_join.hh"
#include "config/schema.hh"

namespace spiffe::config {

namespace {

// Refuses with the place of a key's value; without a place if the key is not set.
std::unexpected<Error> refuse(const Origins& origins, std::string_view key, const std::string& message,
                              std::string hint = {}) {
  const auto origin = origins.find(key);
  const std::string where = origin == origins.end() ? "" : origin->second.value + ": ";
  return fail(ErrorKind::config, where + message, std::move(hint));
}

Result<void> check_triple(const X509Outputs& x, const Origins& origins, const std::string& prefix) {
  std::string missing;
  std::string present;
  for (const std::string key : {"svid_file_name", "svid_key_file_name", "svid_bundle_file_name"}) {
    const bool set = x.names.contains(key);
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

Result<void> check_names(const std::vector<OutputPath>& outputs, const Origins& origins,
                         std::string_view directory) {
  for (const OutputPath& output : outputs) {
    const std::string what = output.key + " " + quote_short(output.name);
    const std::string clean = clean_path(output.name);
    const bool file = output.shape == output::Shape::file;
    if (clean == "." || clean == "/") {
      return refuse(origins, output.key,
                    file ? what + " names no file"
                         : fmt::format("{} is {} itself: name a directory below it", what, directory));
    }
    if (leaves_directory(output.name))
      return refuse(origins, output.key, fmt::format("{} leads out of {}", what, directory));
    if (clean.starts_with("..") || clean.find("/..") != std::string::npos) {
      return refuse(origins, output.key, what + ": names that begin with \"..\" are the helper's own");
    }
  }
  return {};
}

// Two outputs must not have the same path, and none may be inside another: the directory of an output
// contains only that output.
Result<void> check_collisions(const std::vector<OutputPath>& outputs, const Origins& origins) {
  std::map<std::string_view, const OutputPath*> seen;  // by path
  const auto below = [&](const OutputPath& at, const OutputPath& inner, const OutputPath& outer) {
    const bool file = outer.shape == output::Shape::file;
    return refuse(
        origins, at.key,
        inner.key + " lies below " + outer.key + (file ? ", which is a file" : ", a directory of its own"));
  };
  for (const OutputPath& output : outputs) {
    const auto [own, first] = seen.try_emplace(output.path, &output);
    if (!first) {
      return refuse(
          origins, output.key,
          fmt::format("{} and {} are the same {}, {}", own->second->key, output.key,
                      output.shape == output::Shape::file ? "file" : "directory", quote(output.path)));
    }
    std::string_view parent = output.path;
    for (std::size_t slash = parent.rfind('/'); slash != std::string_view::npos; slash = parent.rfind('/')) {
      parent = parent.substr(0, slash);
      const auto around = seen.find(parent);
      if (around != seen.end()) return below(output, output, *around->second);
    }
    const std::string directory = output.path + "/";
    const auto inside = seen.lower_bound(directory);
    if (inside != seen.end() && inside->first.starts_with(directory))
      return below(output, *inside->second, output);
  }
  return {};
}

// The helper reads this file, and the first publication would overwrite it.
Result<void> check_password_file(const Config& config, const X509Outputs& x509, const Origins& origins,
                                 const std::string& prefix) {
  const std::string& file = x509.keystore_password_file;
  if (file.empty()) return {};
  for (const OutputPath& output : output_paths(config)) {
    if (output.path != clean_path(file)) continue;
    return refuse(
        origins, prefix + "keystore_password_file",
        prefix + "keystore_password_file and " + output.key + " are the same file, " + quote(output.path));
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

Result<void> check_entry_selection(const X509Svid& svid, const Origins& origins, const std::string& item) {
  if (svid.hint.empty() && svid.spiffe_id.empty())
    return refuse(origins, item, item + " needs hint or spiffe_id", "which of the agent's identities is it?");
  if (auto good = check_selection(!svid.hint.empty(), !svid.spiffe_id.empty(), origins, item + "."); !good)
    return good;
  if (svid.spiffe_id.empty()) return {};
  const bool prefix = svid.spiffe_id.ends_with('*');
  // A prefix must be the beginning of a valid ID and must not end within the trust domain.
  const std::string id = prefix ? svid.spiffe_id.substr(0, svid.spiffe_id.size() - 1) + "x" : svid.spiffe_id;
  auto parsed = identity::SpiffeId::parse(id);
  const bool has_path =
      parsed && parsed->str().find('/', std::string_view("spiffe://").size()) != std::string::npos;
  if (has_path) return {};
  const std::string what = item + ".spiffe_id " + quote_short(svid.spiffe_id);
  if (parsed || prefix) {
    return refuse(
        origins, item + ".spiffe_id", what + " has no path",
        "write it as spiffe://example.org/path, or spiffe://example.org/* for any in a trust domain");
  }
  return refuse(origins, item + ".spiffe_id", item + ".spiffe_id: " + parsed.error().message,
                parsed.error().hint);
}

Result<void> check_x509_svid(const Config& config, std::size_t index, const Origins& origins) {
  const X509Svid& svid = config.x509_svids[index];
  const std::string item = entry_name(index);
  if (auto good = check_entry_selection(svid, origins, item); !good) return good;
  if (svid.dir.empty()) {
    return refuse(origins, item, item + " needs dir", "a directory below cert_dir, for this identity alone");
  }
  if (svid.x509.names.empty()) {
    return refuse(origins, item, item + " writes no file",
                  "set svid_file_name, svid_key_file_name and svid_bundle_file_name in it");
  }
  if (auto good = check_triple(svid.x509, origins, item + "."); !good) return good;
  if (!svid.pid_file_name.empty() && !config.daemon_mode) {
    return refuse(origins, item + ".pid_file_name",
                  item + ".pid_file_name works in daemon mode only, and daemon_mode is false",
                  "remove the key");
  }
  if (!svid.pid_file_name.empty() && svid.renew_signal == 0) {
    return refuse(origins, item + ".pid_file_name",
                  item + ".pid_file_name needs renew_signal, the signal to send",
                  "set renew_signal in it, as in renew_signal = \"SIGHUP\"");
  }
  const std::vector<OutputPath> outputs = entry_paths(config, index);
  if (auto good = check_names(outputs, origins, item + ".dir"); !good) return good;
  if (auto good = check_password_file(config, svid.x509, origins, item + "."); !good) return good;
  return check_collisions(outputs, origins);
}

// Checks each entry, then its directory, which must be separate from all other outputs.
Result<void> check_all_outputs(const Config& config, const Origins& origins) {
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) {
    if (auto good = check_x509_svid(config, i, origins); !good) return good;
  }
  std::vector<OutputPath> outputs = own_paths(config);
  for (OutputPath& each : entry_directories(config)) outputs.push_back(std::move(each));
  if (auto good = check_names(outputs, origins, "cert_dir"); !good) return good;
  return check_collisions(outputs, origins);
}

Result<void> check_process(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  const std::string pid_file = written_as(origins, "pid_file_name");
  const auto place_of = [&origins](std::string_view key) {
    const auto origin = origins.find(key);
    return origin == origins.end() ? std::string() : origin->second.key;
  };
  if (!config.daemon_mode) {
    const auto warn_ignored = [&](std::string_view key) {
      // The text is the Go helper's.
      warnings.push_back(
          {fmt::format("{0} is set but daemon_mode is false. {0} will be ignored. This may become an "
                       "error in a future release.",
                       key),
           place_of(key)});
    };
    if (!config.cmd.empty()) warn_ignored(written_as(origins, "cmd"));
    if (!config.reload.cmd.empty()) warn_ignored("reload.cmd");
    if (config.renew_signal != 0) warn_ignored(written_as(origins, "renew_signal"));
    if (!config.pid_file_name.empty()) {
      return refuse(origins, "pid_file_name",
                    pid_file + " works in daemon mode only, and daemon_mode is false",
                    "add -" + flag_name(*find_key(pid_file)) +
                        "= to the command line, or remove the key; renew_cmd with renew_cmd_once = true "
                        "notifies a process once");
    }
  } else if (origins.contains("timeout")) {
    warnings.push_back({"timeout is ignored in daemon mode: there is no limit", place_of("timeout")});
  }
  if (!config.pid_file_name.empty() && config.renew_signal == 0) {
    const std::string signal = pid_file == "pid_file_name" ? "renew_signal" : "reload.signal";
    return refuse(origins, "pid_file_name", pid_file + " needs " + signal + ", the signal to send",
                  "set " + signal + ", as in " + signal.substr(signal.find('.') + 1) + " = \"SIGHUP\"");
  }
  if (!config.prepare_cmd.empty() && !config.reload.cmd.empty()) {
    return refuse(origins, "reload.cmd", "prepare_cmd cannot be used with reload.cmd",
                  "keep one of them: without success of prepare_cmd nobody is notified, reload.cmd may fail");
  }
  return {};
}

Result<void> check_notify_on(const Config& config, const Origins& origins) {
  for (const identity::Kind kind : config.notify_on) {
    if (writes(config, kind)) continue;
    return refuse(origins, "notify_on",
                  fmt::format("notify_on has \"{}\", but no such file is configured", word_of(kind)),
                  kind == identity::Kind::x509
                      ? "set svid_file_name and the like, or leave it out of notify_on"
                  : kind == identity::Kind::jwt
                      ? "set jwt_svids, or leave it out of notify_on"
                      : "set jwt_bundle_file_name or jwks_file_name, or leave it out of notify_on");
  }
  return {};
}

// Refuses combinations that would be accepted but ignored.
Result<void> check_supervision(const Config& config, const Origins& origins) {
  const bool wrap = config.cmd_mode == CmdMode::wrap;
  if (wrap && config.cmd.empty()) {
    return refuse(origins, "cmd_mode", "cmd_mode is \"wrap\", but cmd is not set",
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
    return refuse(origins, "on_rotate", "on_rotate is \"restart\", but cmd is not set",
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

}  // namespace

Result<void> validate(const Config& config, const Origins& origins, std::vector<Warning>& warnings) {
  if (auto good = check_triple(config.x509, origins, ""); !good) return good;
  if (auto good = check_selection(!config.hint.empty(), config.spiffe_id.has_value(), origins, ""); !good)
    return good;
  if (auto good = check_jwt_svids(config, origins); !good) return good;
  if (auto good = check_all_outputs(config, origins); !good) return good;
  if (auto good = check_password_file(config, config.x509, origins, ""); !good) return good;
  if (auto good = check_process(config, origins, warnings); !good) return good;
  if (auto good = check_supervision(config, origins); !good) return good;
  return check_health(config.health_checks, origins);
}

bool has_output(const Config& config) {
  return !output_paths(config).empty();
}

Config implied_defaults(const Config& config) {
  Config out;
  out.on_rotate = config.renew_signal != 0 ? OnRotate::signal : OnRotate::none;
  out.renew_signal_guard = config.cmd_mode == CmdMode::wrap;
  out.config_reload_signal = config.cmd_mode == CmdMode::job ? SIGHUP : 0;
  for (const identity::Kind kind : {identity::Kind::x509, identity::Kind::jwt, identity::Kind::bundle}) {
    if (out.notify_on.empty() && writes(config, kind)) out.notify_on.push_back(kind);
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

}  // namespace spiffe::config
