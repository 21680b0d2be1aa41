#include "config/schema.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "config/file_mode.hh"
#include "output/formats.hh"

namespace spiffe::config {

template <>
struct Words<Layout> {
  static constexpr std::array<std::string_view, 3> kWords = {"snapshot", "files", "in-place"};
};
template <>
struct Words<output::KeyFormat> {
  static constexpr std::array<std::string_view, 4> kWords = {"pkcs8", "sec1", "pkcs1", "traditional"};
};
template <>
struct Words<output::CombinedOrder> {
  static constexpr std::array<std::string_view, 2> kWords = {"key-first", "chain-first"};
};
template <>
struct Words<output::CredentialFolderDraft> {
  static constexpr std::array<std::string_view, 3> kWords = {"x509", "private-key", "plain"};
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
struct Words<identity::Kind> {
  static constexpr auto kWords = identity::kKindWords;
};
template <>
struct Words<log::Format> {  // console is what auto picks on a terminal
  static constexpr std::array<std::string_view, 3> kWords = {"auto", "text", "json"};
};

namespace {

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

// The outputs' keys, from the table of formats. `names`: the path to their OutputNames.
template <std::size_t row, auto... names>
Result<void> read_output(void* record, const Reading& in) {
  auto name = Name::read(in);
  if (!name) return fail(name.error());
  output::OutputNames& all = key_detail::member<names...>(record);
  all.erase(output::kFormats[row].key);
  if (!name->empty()) all.emplace(output::kFormats[row].key, *std::move(name));
  return {};
}
template <std::size_t row, auto... names>
Value show_output(const void* record) {
  const output::OutputNames& all = key_detail::member<names...>(record);
  const auto found = all.find(output::kFormats[row].key);
  return Name::show(found == all.end() ? std::string() : found->second);
}
template <auto... names>
constexpr auto output_keys() {
  const auto of_rows = []<std::size_t... row>(std::index_sequence<row...>) {
    return std::array<Key, sizeof...(row)>{Key{output::kFormats[row].key, Name::kType, Name::value_name(),
                                               output::kFormats[row].help, &read_output<row, names...>,
                                               &show_output<row, names...>, output::kFormats[row].alias}...};
  };
  return of_rows(std::make_index_sequence<output::kFormats.size()>());
}

template <std::size_t... n>
constexpr auto joined(const std::array<Key, n>&... some) {
  std::array<Key, (n + ...)> out{};
  auto at = out.begin();
  ((at = std::ranges::copy(some, at).out), ...);
  return out;
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

// How an identity's outputs are made. `outputs`: the path to its X509Outputs.
template <auto... outputs>
constexpr auto option_keys() {
  using X = X509Outputs;
  using E = output::EncodeOptions;
  return std::to_array<Key>({
      key<Flag, outputs..., &X::options, &E::add_intermediates_to_bundle>(
          "add_intermediates_to_bundle", "put intermediates into the bundle instead of the chain",
          "addIntermediatesToBundle"),
      key<Flag, outputs..., &X::options, &E::include_federated_domains>(
          "include_federated_domains", "add the bundles of federated trust domains"),
      key<Flag, outputs..., &X::options, &E::omit_expired>("omit_expired",
                                                           "leave expired CA certificates out of the bundle"),
      key<Choice<output::KeyFormat>, outputs..., &X::options, &E::key_format>(
          "key_format", "how private keys are written: pkcs8, sec1, pkcs1 or traditional"),
      key<Choice<output::CombinedOrder>, outputs..., &X::options, &E::combined_order>(
          "combined_order", "order in the combined file: key-first or chain-first"),
      key<Choice<output::CredentialFolderDraft>, outputs..., &X::options, &E::credential_folder_draft>(
          "credential_folder_draft", "names in the credential folder: x509, private-key or plain"),
      key<Path, outputs..., &X::keystore_password_file>("keystore_password_file",
                                                        "file with the password of keystore and truststore"),
      key<Flag, outputs..., &X::options, &E::keystore_legacy>(
          "keystore_legacy", "encrypt them for old versions of Java: 3DES and SHA-1"),
  });
}

// Who owns what. `owners`: the path to an Ownership.
template <auto... owners>
constexpr auto owner_keys() {
  using O = Ownership;
  return std::to_array<Key>({
      key<User, owners..., &O::owner>("owner", "owner of all files"),
      key<Group, owners..., &O::group>("group", "group of all files"),
      key<User, owners..., &O::key_owner>("key_owner", "owner of files with a private key"),
      key<Group, owners..., &O::key_group>("key_group", "group of files with a private key"),
  });
}

constexpr auto kX509 = &Config::x509;
constexpr auto kHealth = &Config::health_checks;
constexpr auto kStart = &Config::start;
constexpr auto kReload = &Config::reload;

using X = X509Outputs;
using H = HealthChecks;

constexpr auto kFirstKeys = std::to_array<Key>({
    {"agent_address", KeyType::text, "ADDRESS", "the agent's socket: a path, unix:///path or tcp://IP:port",
     &read_agent_address, &show_agent_address, "agentAddress"},
    key<Path, &Config::cert_dir>("cert_dir", "directory to write to", "certDir"),
});

constexpr auto kOtherKeys = std::to_array<Key>({
    key<Mode<0644>, &Config::cert_file_mode>("cert_file_mode", "mode of certificates and bundles"),
    key<Mode<0600, KeyFile::yes>, &Config::key_file_mode>("key_file_mode", "mode of private keys"),
    key<Mode<0600>, &Config::jwt_bundle_file_mode>("jwt_bundle_file_mode",
                                                   "mode of the JWT bundle and the JWKS"),
    key<Mode<0600>, &Config::jwt_svid_file_mode>("jwt_svid_file_mode", "mode of JWT-SVIDs"),
    key<Text, &Config::hint>("hint", "take the identity with this hint"),
    key<Id, &Config::spiffe_id>("spiffe_id", "take the identity with this SPIFFE ID"),
    key<Flag, &Config::verify>("verify", "refuse identities that do not verify against their bundle"),
    key<Choice<Layout>, &Config::layout>("layout", "how files are written: snapshot, files or in-place"),
    key<Flag, &Config::create_cert_dir>("create_cert_dir", "create cert_dir if it is missing"),
    key<Flag, &Config::require_secure_dir>("require_secure_dir",
                                           "refuse a cert_dir that others can write to"),
    key<Flag, &Config::allow_core_dumps>("allow_core_dumps", "let a crash write a core with keys in it"),
});

constexpr auto kMoreKeys = std::to_array<Key>({
    key<Flag, &Config::daemon_mode>("daemon_mode", "keep running and renew; false: fetch once and exit"),
    key<Duration<>, &Config::timeout>("timeout", "longest wait with daemon_mode = false, 0 for no limit"),
    key<LogLevel, &Config::log_level>("log_level", "debug, info, warning or error"),
    key<Choice<log::Format>, &Config::log_format>("log_format",
                                                  "text, json or auto: text, and a short form on a terminal"),
    key<Text, &Config::cmd>("cmd", "program to start once everything is written"),
    key<Arguments, &Config::cmd_args>("cmd_args", "its arguments", "cmdArgs"),
    key<Signal, &Config::renew_signal>("renew_signal", "signal to send to it at a renewal", "renewSignal"),
    key<Signal, &Config::stop_signal>("stop_signal", "signal to stop it"),
    key<Duration<Zero::refused>, &Config::stop_timeout>("stop_timeout", "time to end before SIGKILL"),
    key<Flag, &Config::stop_cmd_on_exit>("stop_cmd_on_exit", "end cmd when the helper ends"),
    key<Choice<CmdMode>, &Config::cmd_mode>("cmd_mode", "job, or wrap: run as long as cmd does"),
    key<Optional<Choice<OnRotate>>, &Config::on_rotate>(
        "on_rotate", "what cmd gets at a rotation: signal, restart or none"),
    key<Choice<Restart>, &Config::restart>("restart",
                                           "whether cmd starts again at once: never, on-failure or always"),
    key<Duration<>, &Config::start_timeout>("start_timeout", "longest wait for the first identity"),
    key<ListOf<Choice<identity::Kind>>, &Config::notify_on>("notify_on",
                                                            "changes to notify of: x509, jwt, bundle"),
    key<Duration<>, &Config::renew_debounce>("renew_debounce", "wait for further changes before notifying"),
    key<Duration<>, &Config::renew_splay>("renew_splay", "random wait before notifying"),
    key<Optional<Flag>, &Config::renew_signal_guard>(
        "renew_signal_guard", "withhold a signal that would kill a child not ready for it"),
    key<Arguments, &Config::prepare_cmd>("prepare_cmd",
                                         "command that must succeed before cmd starts or is notified"),
    key<Duration<Zero::refused>, &Config::prepare_cmd_timeout>("prepare_cmd_timeout", "its longest run"),
    key<Arguments, &Config::renew_cmd>("renew_cmd", "command to run after every renewal"),
    key<Duration<Zero::refused>, &Config::renew_cmd_timeout>("renew_cmd_timeout", "its longest run"),
    key<Flag, &Config::renew_cmd_once>("renew_cmd_once", "run it with daemon_mode = false as well"),
    key<Flag, &Config::renew_cmd_at_start>("renew_cmd_at_start",
                                           "run it also when cmd has just started with the files"),
    key<Path, &Config::pid_file_name>("pid_file_name", "signal the process whose number is in this file"),
    key<Flag, &Config::pid_file_check>("pid_file_check",
                                       "only if it handles the signal and is not newer than the file"),
    key<Flag, &Config::subreaper>("subreaper", "adopt and reap orphaned grandchildren"),
    key<Signal, &Config::config_reload_signal>("config_reload_signal",
                                               "signal that reloads the configuration"),
    records<&Config::jwt_svids, jwt_svid_keys>("jwt_svids", "JWT-SVIDs to write"),
    key<Name, &Config::jwt_bundle_file_name>("jwt_bundle_file_name", "file for the JWT bundles"),
    key<Name, &Config::jwks_file_name>("jwks_file_name", "file for the JWKS of the own trust domain"),
    records<&Config::x509_svids, x509_svid_keys>("x509_svids", "further X.509 identities to write"),
    key<Choice<Revoke>, &Config::revoke>("revoke",
                                         "private keys of an identity that was revoked: keep or remove"),
    key<Duration<>, &Config::revoke_after>("revoke_after", "how long the agent must have refused it"),
    key<Flag, kHealth, &H::listener_enabled>("health_checks.listener_enabled", "serve health checks"),
    key<Port, kHealth, &H::bind_port>("health_checks.bind_port", "their port"),
    key<Text, kHealth, &H::bind_address>("health_checks.bind_address", "their address"),
    key<Path, kHealth, &H::liveness_path>("health_checks.liveness_path", "URL path of the liveness check"),
    key<Path, kHealth, &H::readiness_path>("health_checks.readiness_path", "URL path of the readiness check"),
    key<Path, kHealth, &H::unix_socket>("health_checks.unix_socket", "socket to serve them on"),
    key<Path, kHealth, &H::metrics_path>("health_checks.metrics_path", "URL path of Prometheus metrics"),
    key<Flag, kHealth, &H::ready_includes_program>(
        "health_checks.ready_includes_program", "ready only while cmd runs, is notified and hooks succeed"),
    key<Text, kStart, &Start::cmd>("start.cmd", "the same as cmd"),
    key<Arguments, kStart, &Start::args>("start.args", "the same as cmd_args"),
    key<Text, kReload, &Reload::cmd>("reload.cmd", "program to run before cmd starts or is notified"),
    key<Arguments, kReload, &Reload::args>("reload.args", "its arguments"),
    key<Signal, kReload, &Reload::signal>("reload.signal", "the same as renew_signal"),
    key<Path, kReload, &Reload::pid_file_name>("reload.pid_file_name", "the same as pid_file_name"),
});

constexpr auto kKeys = joined(kFirstKeys, output_keys<kX509, &X::names>(), option_keys<kX509>(), kOtherKeys,
                              owner_keys<&Config::ownership>(), kMoreKeys);

constexpr auto kJwtKeys = std::to_array<Key>({
    key<Text, &JwtSvid::jwt_audience>("jwt_audience", "audience"),
    key<Texts, &JwtSvid::jwt_extra_audiences>("jwt_extra_audiences", "further audiences"),
    key<Name, &JwtSvid::jwt_svid_file_name>("jwt_svid_file_name", "file for the token"),
    key<Id, &JwtSvid::spiffe_id>("spiffe_id", "take the identity with this SPIFFE ID"),
    key<Text, &JwtSvid::hint>("hint", "take the identity with this hint"),
});

constexpr auto kFirstX509Keys = std::to_array<Key>({
    key<Text, &X509Svid::hint>("hint", "take the identity with this hint"),
    key<Text, &X509Svid::spiffe_id>("spiffe_id", "take the identity with this SPIFFE ID, or \"prefix*\""),
    key<Name, &X509Svid::dir>("dir", "directory to write to, below cert_dir"),
});
constexpr auto kMoreX509Keys = std::to_array<Key>({
    key<Signal, &X509Svid::renew_signal>("renew_signal", "signal for the process of pid_file_name"),
    key<Path, &X509Svid::pid_file_name>("pid_file_name", "signal the process whose number is in this file"),
    key<Arguments, &X509Svid::prepare_cmd>("prepare_cmd",
                                           "command that must succeed before anybody is notified"),
    key<Arguments, &X509Svid::renew_cmd>("renew_cmd", "command to run after every renewal"),
});
constexpr auto kX509Keys =
    joined(kFirstX509Keys, output_keys<&X509Svid::x509, &X::names>(), option_keys<&X509Svid::x509>(),
           owner_keys<&X509Svid::ownership>(), kMoreX509Keys);

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
