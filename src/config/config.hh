// The configuration as the rest of the program sees it: plain structs with the default of every key. Names
// are those of the keys. Strings: "" means not set. Durations are nanoseconds, modes are permission bits,
// signals are numbers (0 = not set). Everything here was read, resolved and checked by load().
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/endpoint.hh"
#include "base/log.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::config {

enum class Layout { snapshot, files, in_place };
enum class CmdMode { job, wrap };
enum class OnRotate { signal, restart, none };
enum class Restart { never, on_failure, always };
enum class Revoke { keep, remove };
enum class KeyFormat { pkcs8, sec1, pkcs1, traditional };
enum class CombinedOrder { key_first, chain_first };
enum class Change { x509, jwt, bundle };

// The files of one X.509 identity. Names are joined below cert_dir (path_join.hh); "" = not wanted.
struct X509Outputs {
  std::string svid_file_name;
  std::string svid_key_file_name;
  std::string svid_bundle_file_name;
  std::string svid_combined_file_name;
  CombinedOrder combined_order = CombinedOrder::key_first;
  KeyFormat key_format = KeyFormat::pkcs8;
  std::string svid_keystore_file_name;
  std::string truststore_file_name;
  std::string keystore_password_file;  // a path of its own, not below cert_dir
  bool keystore_legacy = false;
  std::string bundle_dir;
  std::string bundle_map_file_name;
  std::string jwks_file_name;
  std::string envoy_sds_dir;
};

// Who owns what is written; not set = as the kernel or an existing file has it.
struct Ownership {
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  std::optional<uid_t> key_owner;  // for outputs that hold a private key, before `owner`
  std::optional<gid_t> key_group;
};

// A further X.509 identity: `[[x509_svids]]`.
struct X509Svid {
  std::string hint;
  std::string spiffe_id;  // exact, or a prefix that ends in '*'
  std::string dir;        // below cert_dir
  X509Outputs outputs;
  Ownership ownership;
  int renew_signal = 0;
  std::string pid_file_name;
  std::vector<std::string> renew_cmd;
};

struct JwtSvid {
  std::string jwt_audience;
  std::vector<std::string> jwt_extra_audiences;
  std::string jwt_svid_file_name;
  std::optional<identity::SpiffeId> spiffe_id;
  std::string hint;

  [[nodiscard]] bool operator==(const JwtSvid&) const = default;
};

struct WitSvid {
  std::string wit_svid_file_name;
  std::string wit_svid_key_file_name;
  std::optional<identity::SpiffeId> spiffe_id;
  std::string hint;
};

struct HealthChecks {
  bool listener_enabled = false;
  std::uint16_t bind_port = 8081;
  std::string bind_address;  // an IP address; "" = all, IPv6 and IPv4
  std::string liveness_path = "/live";
  std::string readiness_path = "/ready";
  std::string unix_socket;
  std::string metrics_path;
  bool ready_includes_program = false;  // also cmd, its signals and the hooks

  [[nodiscard]] bool operator==(const HealthChecks&) const = default;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by topic, and there is only one
struct Config {
  // Where identities come from.
  Endpoint agent_address;
  std::string
      agent_address_source;  // "-agent-address", "SPIFFE_ENDPOINT_SOCKET", "helper.conf:3:17", "default"
  std::string hint;          // at most one of hint and spiffe_id is set
  std::optional<identity::SpiffeId> spiffe_id;
  bool verify = true;

  // What is written.
  std::string cert_dir;  // "" = working directory
  X509Outputs x509;
  Ownership ownership;
  mode_t cert_file_mode = 0644;
  mode_t key_file_mode = 0600;
  mode_t jwt_bundle_file_mode = 0600;
  mode_t jwt_svid_file_mode = 0600;
  bool add_intermediates_to_bundle = false;
  bool include_federated_domains = false;
  bool omit_expired = false;
  std::vector<JwtSvid> jwt_svids;
  std::string jwt_bundle_file_name;
  std::vector<X509Svid> x509_svids;
  std::vector<WitSvid> wit_svids;
  std::string wit_bundle_file_name;
  std::string credential_folder;
  std::string credential_folder_draft;

  // How it is written.
  Layout layout = Layout::snapshot;
  bool create_cert_dir = false;
  bool require_secure_dir = false;
  bool allow_core_dumps = false;
  Revoke revoke = Revoke::keep;
  std::chrono::nanoseconds revoke_after = std::chrono::minutes(5);

  // The process.
  bool daemon_mode = true;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  // one-shot only; 0 = for ever
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::automatic;
  HealthChecks health_checks;

  // The child and whom else to tell.
  std::string cmd;
  std::vector<std::string> cmd_args;
  int renew_signal = 0;
  int stop_signal = 15;
  std::chrono::nanoseconds stop_timeout = std::chrono::seconds(10);
  bool stop_cmd_on_exit = true;
  CmdMode cmd_mode = CmdMode::job;
  std::optional<OnRotate> on_rotate;  // not set: signal where renew_signal is set, else none
  Restart restart = Restart::never;
  std::chrono::nanoseconds start_timeout{0};  // 0 = for ever
  std::vector<Change> notify_on;              // empty: the first of x509, jwt, bundle that is configured
  std::chrono::nanoseconds renew_debounce{0};
  std::chrono::nanoseconds renew_splay{0};
  std::optional<bool> renew_signal_guard;  // not set: true in wrap mode, false in job mode
  std::vector<std::string> prepare_cmd;
  std::chrono::nanoseconds prepare_cmd_timeout = std::chrono::seconds(30);
  std::vector<std::string> renew_cmd;
  std::chrono::nanoseconds renew_cmd_timeout = std::chrono::seconds(30);
  bool renew_cmd_once = false;
  bool renew_cmd_at_start = false;
  std::string pid_file_name;
  bool pid_file_check = true;
  bool subreaper = false;
  int config_reload_signal = 0;  // 0: SIGHUP in job mode, none in wrap mode
};

}  // namespace spiffe::config
