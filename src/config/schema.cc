#include "config/schema.hh"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/file_mode.hh"

namespace spiffe::config {

template <>
struct Words<Layout> {
  static constexpr std::array<std::string_view, 3> kWords = {"snapshot", "files", "in-place"};
};
template <>
struct Words<CmdMode> {
  static constexpr std::array<std::string_view, 2> kWords = {"job", "wrap"};
};
template <>
struct Words<OnRotate> {
  static constexpr std::array<std::string_view, 3> kWords = {"signal", "restart", "none"};
};
template <>
struct Words<Restart> {
  static constexpr std::array<std::string_view, 3> kWords = {"never", "on-failure", "always"};
};
template <>
struct Words<Revoke> {
  static constexpr std::array<std::string_view, 2> kWords = {"keep", "remove"};
};
template <>
struct Words<KeyFormat> {
  static constexpr std::array<std::string_view, 4> kWords = {"pkcs8", "sec1", "pkcs1", "traditional"};
};
template <>
struct Words<CombinedOrder> {
  static constexpr std::array<std::string_view, 2> kWords = {"key-first", "chain-first"};
};
template <>
struct Words<Change> {
  static constexpr std::array<std::string_view, 3> kWords = {"x509", "jwt", "bundle"};
};
template <>
struct Words<log::Format> {  // console is what auto picks on a terminal
  static constexpr std::array<std::string_view, 3> kWords = {"auto", "text", "json"};
};

namespace {

using enum Stage;

// An empty agent_address is as good as none, also where it follows another: the environment and the default
// come next.
Result<void> read_agent_address(void* record, const Reading& in) {
  auto& config = *static_cast<Config*>(record);
  if (in.value.kind == Value::Kind::text && in.value.text.empty()) {
    config.agent_address = {};
    config.agent_address_source.clear();
    return {};
  }
  auto endpoint = read_address(in);
  if (!endpoint) return fail(endpoint.error());
  config.agent_address = *std::move(endpoint);
  config.agent_address_source = in.place();
  return {};
}

Value show_agent_address(const void* record) {
  const auto& config = *static_cast<const Config*>(record);
  return config.agent_address_source.empty() ? Value() : Value::of_text(config.agent_address.uri());
}

// More words are taken than are offered: see log::parse_level().
struct LogLevel {
  using Type = log::Level;
  static constexpr KeyType kType = KeyType::choice;
  static constexpr std::array<std::string_view, 4> kWords = {"debug", "info", "warning", "error"};
  static constexpr std::string_view value_name() { return "WORD"; }
  static constexpr std::span<const std::string_view> words() { return kWords; }
  static Result<Type> read(const Reading& in) {
    if (in.value.kind == Value::Kind::text) {
      if (const auto level = log::parse_level(in.value.text)) return *level;
    }
    return fail(read_word(in, kWords).error());  // all of these are levels
  }
  static Value show(Type value) {
    return Value::of_text(std::string(kWords[static_cast<std::size_t>(value)]));
  }
};

constexpr auto kX509 = &Config::x509;
constexpr auto kOwners = &Config::ownership;
constexpr auto kHealth = &Config::health_checks;
constexpr auto kItem = &X509Svid::outputs;
constexpr auto kItemOwners = &X509Svid::ownership;

using X = X509Outputs;
using O = Ownership;
using H = HealthChecks;

constexpr auto kKeys = std::to_array<Key>({
    {"agent_address", foundation, KeyType::text, "ADDRESS",
     "the agent's socket: a path, unix:///path or tcp://IP:port", &read_agent_address, &show_agent_address,
     "agentAddress"},
    key<Path, &Config::cert_dir>("cert_dir", foundation, "directory to write to", "certDir"),
    key<Name, kX509, &X::svid_file_name>("svid_file_name", foundation, "file for the certificate chain",
                                         "svidFileName"),
    key<Name, kX509, &X::svid_key_file_name>("svid_key_file_name", foundation, "file for the private key",
                                             "svidKeyFileName"),
    key<Name, kX509, &X::svid_bundle_file_name>("svid_bundle_file_name", foundation,
                                                "file for the trust bundle", "svidBundleFileName"),
    key<Flag, &Config::add_intermediates_to_bundle>("add_intermediates_to_bundle", foundation,
                                                    "put intermediates into the bundle instead of the chain",
                                                    "addIntermediatesToBundle"),
    key<Flag, &Config::include_federated_domains>("include_federated_domains", foundation,
                                                  "add the bundles of federated trust domains"),
    key<Flag, &Config::omit_expired>("omit_expired", foundation,
                                     "leave expired CA certificates out of the bundle"),
    key<Mode<0644>, &Config::cert_file_mode>("cert_file_mode", foundation,
                                             "mode of certificates and bundles"),
    key<Mode<0600, KeyFile::yes>, &Config::key_file_mode>("key_file_mode", foundation,
                                                          "mode of private keys"),
    key<Mode<0600>, &Config::jwt_bundle_file_mode>("jwt_bundle_file_mode", parity, "mode of the JWT bundle"),
    key<Mode<0600>, &Config::jwt_svid_file_mode>("jwt_svid_file_mode", parity, "mode of JWT-SVIDs"),
    key<Text, &Config::hint>("hint", foundation, "take the identity with this hint"),
    key<Id, &Config::spiffe_id>("spiffe_id", foundation, "take the identity with this SPIFFE ID"),
    key<Flag, &Config::verify>("verify", foundation,
                               "refuse identities that do not verify against their bundle"),
    key<Choice<Layout>, &Config::layout>("layout", foundation,
                                         "how files are written: snapshot, files or in-place"),
    key<Flag, &Config::create_cert_dir>("create_cert_dir", foundation, "make cert_dir where it is missing"),
    key<Flag, &Config::require_secure_dir>("require_secure_dir", foundation,
                                           "refuse a cert_dir that others can write to"),
    key<Flag, &Config::allow_core_dumps>("allow_core_dumps", foundation,
                                         "let a crash write a core with keys in it"),
    key<User, kOwners, &O::owner>("owner", foundation, "owner of all files"),
    key<Group, kOwners, &O::group>("group", foundation, "group of all files"),
    key<User, kOwners, &O::key_owner>("key_owner", foundation, "owner of files with a private key"),
    key<Group, kOwners, &O::key_group>("key_group", foundation, "group of files with a private key"),
    key<Flag, &Config::daemon_mode>("daemon_mode", parity,
                                    "keep running and renew; false: fetch once and exit"),
    key<Duration<>, &Config::timeout>("timeout", foundation,
                                      "longest wait with daemon_mode = false, 0 for ever"),
    key<LogLevel, &Config::log_level>("log_level", foundation, "debug, info, warning or error"),
    key<Choice<log::Format>, &Config::log_format>("log_format", foundation,
                                                  "text, json or auto: text, and a short form on a terminal"),
    key<Text, &Config::cmd>("cmd", foundation, "program to start once everything is written"),
    key<Arguments, &Config::cmd_args>("cmd_args", foundation, "its arguments", "cmdArgs"),
    key<Signal, &Config::renew_signal>("renew_signal", foundation, "signal that tells it of a renewal",
                                       "renewSignal"),
    key<Signal, &Config::stop_signal>("stop_signal", foundation, "signal that ends it"),
    key<Duration<Zero::refused>, &Config::stop_timeout>("stop_timeout", foundation,
                                                        "time to end before SIGKILL"),
    key<Flag, &Config::stop_cmd_on_exit>("stop_cmd_on_exit", child, "end cmd when the helper ends"),
    key<Choice<CmdMode>, &Config::cmd_mode>("cmd_mode", child, "job, or wrap: to live and end with cmd"),
    key<Optional<Choice<OnRotate>>, &Config::on_rotate>(
        "on_rotate", child, "what cmd gets at a rotation: signal, restart or none"),
    key<Choice<Restart>, &Config::restart>("restart", child,
                                           "whether cmd starts again at once: never, on-failure or always"),
    key<Duration<>, &Config::start_timeout>("start_timeout", child, "longest wait for the first identity"),
    key<ListOf<Choice<Change>>, &Config::notify_on>("notify_on", child,
                                                    "changes to tell of: x509, jwt, bundle"),
    key<Duration<>, &Config::renew_debounce>("renew_debounce", child,
                                             "wait for further changes before telling"),
    key<Duration<>, &Config::renew_splay>("renew_splay", child, "random wait before telling"),
    key<Optional<Flag>, &Config::renew_signal_guard>(
        "renew_signal_guard", child, "withhold a signal that would kill a child not ready for it"),
    key<Arguments, &Config::prepare_cmd>("prepare_cmd", child,
                                         "command that must succeed before cmd starts or is told"),
    key<Duration<Zero::refused>, &Config::prepare_cmd_timeout>("prepare_cmd_timeout", child,
                                                               "its longest run"),
    key<Arguments, &Config::renew_cmd>("renew_cmd", child, "command to run after every renewal"),
    key<Duration<Zero::refused>, &Config::renew_cmd_timeout>("renew_cmd_timeout", child, "its longest run"),
    key<Flag, &Config::renew_cmd_once>("renew_cmd_once", child, "run it with daemon_mode = false as well"),
    key<Flag, &Config::renew_cmd_at_start>("renew_cmd_at_start", child,
                                           "run it also when cmd has just started with the files"),
    key<Path, &Config::pid_file_name>("pid_file_name", child,
                                      "signal the process whose number is in this file"),
    key<Flag, &Config::pid_file_check>("pid_file_check", child, "look twice before signalling it"),
    key<Flag, &Config::subreaper>("subreaper", child, "adopt and reap orphaned grandchildren"),
    key<Signal, &Config::config_reload_signal>("config_reload_signal", child,
                                               "signal that reloads the configuration"),
    records<&Config::jwt_svids, jwt_svid_keys>("jwt_svids", parity, "JWT-SVIDs to write"),
    key<Name, &Config::jwt_bundle_file_name>("jwt_bundle_file_name", parity, "file for the JWT bundles"),
    key<Choice<Revoke>, &Config::revoke>("revoke", parity,
                                         "keys of an identity that was taken away: keep or remove"),
    key<Duration<>, &Config::revoke_after>("revoke_after", parity, "how long it must have been away"),
    key<Flag, kHealth, &H::listener_enabled>("health_checks.listener_enabled", parity, "serve health checks"),
    key<Port, kHealth, &H::bind_port>("health_checks.bind_port", parity, "their port"),
    key<Text, kHealth, &H::bind_address>("health_checks.bind_address", parity, "their address"),
    key<Path, kHealth, &H::liveness_path>("health_checks.liveness_path", parity,
                                          "URL path of the liveness check"),
    key<Path, kHealth, &H::readiness_path>("health_checks.readiness_path", parity,
                                           "URL path of the readiness check"),
    key<Path, kHealth, &H::unix_socket>("health_checks.unix_socket", parity, "socket to serve them on"),
    key<Path, kHealth, &H::metrics_path>("health_checks.metrics_path", parity,
                                         "URL path of Prometheus metrics"),
    key<Flag, kHealth, &H::ready_includes_program>("health_checks.ready_includes_program", parity,
                                                   "ready only while cmd runs, is told and hooks succeed"),
    key<Name, kX509, &X::svid_combined_file_name>("svid_combined_file_name", outputs,
                                                  "file for key and chain together"),
    key<Choice<CombinedOrder>, kX509, &X::combined_order>("combined_order", outputs,
                                                          "key-first or chain-first"),
    key<Choice<KeyFormat>, kX509, &X::key_format>("key_format", outputs, "pkcs8, sec1, pkcs1 or traditional"),
    key<Name, kX509, &X::svid_keystore_file_name>("svid_keystore_file_name", outputs,
                                                  "PKCS#12 file with key and chain"),
    key<Name, kX509, &X::truststore_file_name>("truststore_file_name", outputs,
                                               "PKCS#12 file with the trust bundle"),
    key<Path, kX509, &X::keystore_password_file>("keystore_password_file", outputs,
                                                 "file with their password"),
    key<Flag, kX509, &X::keystore_legacy>("keystore_legacy", outputs, "encrypt them for old Java"),
    key<Name, kX509, &X::bundle_dir>("bundle_dir", outputs, "directory for one bundle a trust domain"),
    key<Name, kX509, &X::bundle_map_file_name>("bundle_map_file_name", outputs,
                                               "file for the SPIFFE bundle map"),
    key<Name, kX509, &X::jwks_file_name>("jwks_file_name", outputs,
                                         "file for the JWKS of the own trust domain"),
    key<Name, kX509, &X::envoy_sds_dir>("envoy_sds_dir", outputs, "directory for Envoy's SDS files"),
    key<Path, &Config::credential_folder>("credential_folder", outputs,
                                          "folder of the SPIFFE file delivery draft"),
    key<Text, &Config::credential_folder_draft>("credential_folder_draft", outputs, "revision of that draft"),
    records<&Config::x509_svids, x509_svid_keys>("x509_svids", outputs, "further X.509 identities to write"),
    records<&Config::wit_svids, wit_svid_keys>("wit_svids", outputs, "WIT-SVIDs to write"),
    key<Name, &Config::wit_bundle_file_name>("wit_bundle_file_name", outputs, "file for the WIT bundles"),
});

constexpr auto kJwtKeys = std::to_array<Key>({
    key<Text, &JwtSvid::jwt_audience>("jwt_audience", parity, "audience"),
    key<Texts, &JwtSvid::jwt_extra_audiences>("jwt_extra_audiences", parity, "further audiences"),
    key<Name, &JwtSvid::jwt_svid_file_name>("jwt_svid_file_name", parity, "file for the token"),
    key<Id, &JwtSvid::spiffe_id>("spiffe_id", parity, "take the identity with this SPIFFE ID"),
    key<Text, &JwtSvid::hint>("hint", parity, "take the identity with this hint"),
});

constexpr auto kX509Keys = std::to_array<Key>({
    key<Text, &X509Svid::hint>("hint", outputs, "take the identity with this hint"),
    key<Text, &X509Svid::spiffe_id>("spiffe_id", outputs, "take the identity with this SPIFFE ID"),
    key<Name, &X509Svid::dir>("dir", outputs, "directory below cert_dir"),
    key<Name, kItem, &X::svid_file_name>("svid_file_name", outputs, ""),
    key<Name, kItem, &X::svid_key_file_name>("svid_key_file_name", outputs, ""),
    key<Name, kItem, &X::svid_bundle_file_name>("svid_bundle_file_name", outputs, ""),
    key<Name, kItem, &X::svid_combined_file_name>("svid_combined_file_name", outputs, ""),
    key<Choice<CombinedOrder>, kItem, &X::combined_order>("combined_order", outputs, ""),
    key<Choice<KeyFormat>, kItem, &X::key_format>("key_format", outputs, ""),
    key<Name, kItem, &X::svid_keystore_file_name>("svid_keystore_file_name", outputs, ""),
    key<Name, kItem, &X::truststore_file_name>("truststore_file_name", outputs, ""),
    key<Path, kItem, &X::keystore_password_file>("keystore_password_file", outputs, ""),
    key<Flag, kItem, &X::keystore_legacy>("keystore_legacy", outputs, ""),
    key<Name, kItem, &X::bundle_dir>("bundle_dir", outputs, ""),
    key<Name, kItem, &X::bundle_map_file_name>("bundle_map_file_name", outputs, ""),
    key<Name, kItem, &X::jwks_file_name>("jwks_file_name", outputs, ""),
    key<Name, kItem, &X::envoy_sds_dir>("envoy_sds_dir", outputs, ""),
    key<User, kItemOwners, &O::owner>("owner", outputs, ""),
    key<Group, kItemOwners, &O::group>("group", outputs, ""),
    key<User, kItemOwners, &O::key_owner>("key_owner", outputs, ""),
    key<Group, kItemOwners, &O::key_group>("key_group", outputs, ""),
    key<Signal, &X509Svid::renew_signal>("renew_signal", outputs, ""),
    key<Path, &X509Svid::pid_file_name>("pid_file_name", outputs, ""),
    key<Arguments, &X509Svid::renew_cmd>("renew_cmd", outputs, ""),
});

constexpr auto kWitKeys = std::to_array<Key>({
    key<Name, &WitSvid::wit_svid_file_name>("wit_svid_file_name", outputs, "file for the token"),
    key<Name, &WitSvid::wit_svid_key_file_name>("wit_svid_key_file_name", outputs, "file for its key"),
    key<Id, &WitSvid::spiffe_id>("spiffe_id", outputs, "take the identity with this SPIFFE ID"),
    key<Text, &WitSvid::hint>("hint", outputs, "take the identity with this hint"),
});

}  // namespace

std::span<const Key> config_keys() {
  return kKeys;
}
std::span<const Key> jwt_svid_keys() {
  return kJwtKeys;
}
std::span<const Key> x509_svid_keys() {
  return kX509Keys;
}
std::span<const Key> wit_svid_keys() {
  return kWitKeys;
}

const Key* find_key(std::string_view name) {
  const auto found = std::ranges::find(kKeys, name, &Key::name);
  return found == kKeys.end() ? nullptr : &*found;
}

std::string variable_name(const Key& key) {
  std::string out = "SPIFFE_HLP_";
  for (const char c : key.name) {
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string flag_name(const Key& key) {
  std::string out(key.name);
  std::ranges::replace(out, '_', '-');
  std::ranges::replace(out, '.', '-');
  return out;
}

Value show_record(std::span<const Key> keys, const void* record) {
  Value out = Value::of_kind(Value::Kind::object);
  for (const Key& key : keys) {
    const std::size_t dot = key.name.find('.');
    if (dot == std::string_view::npos) {
      out.add(std::string(key.name), key.show(record));
      continue;
    }
    const std::string_view section = key.name.substr(0, dot);
    if (out.entries.empty() || out.entries.back().key != section) {
      out.add(std::string(section), Value::of_kind(Value::Kind::object));
    }
    out.entries.back().value.add(std::string(key.name.substr(dot + 1)), key.show(record));
  }
  return out;
}

Value effective(const Config& config) {
  return show_record(kKeys, &config);
}

}  // namespace spiffe::config
