// The configuration for the rest of the program: plain structs with the default of every key, named like the
// keys. Strings: "" means not set. Durations are nanoseconds, modes are permission bits, signals are numbers
// (0 = not set). load() has read, resolved and validated everything here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/endpoint.hh"
#include "base/log.hh"
#include "identity/kind.hh"
#include "identity/spiffe_id.hh"
#include "output/options.hh"
#include "process/policy.hh"

namespace spiffe::config {

enum class CmdMode { job, wrap };
enum class Revoke { keep, remove };

using output::Layout;
using process::OnRotate;
using process::Restart;

// The outputs of one X.509 identity. Names are joined with cert_dir (path_join.hh).
struct X509Outputs {
  output::OutputNames names;
  output::EncodeOptions options;
  std::string keystore_password_file;  // "": the default password

  [[nodiscard]] bool operator==(const X509Outputs&) const = default;
};

// The owners of the files; not set: decided by the kernel, or kept from an existing file.
struct Ownership {
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  std::optional<uid_t> key_owner;  // for outputs with a private key; overrides `owner`
  std::optional<gid_t> key_group;

  [[nodiscard]] bool operator==(const Ownership&) const = default;
};

// A further X.509 identity, with its own directory.
struct X509Svid {
  std::string hint;       // exactly one of hint and spiffe_id is set
  std::string spiffe_id;  // an ID, or a prefix of IDs with a trailing '*'
  std::string dir;        // below cert_dir
  X509Outputs x509;
  Ownership ownership;  // members that are not set are as for all files
  int renew_signal = 0;
  std::string pid_file_name;
  std::vector<std::string> prepare_cmd;
  std::vector<std::string> renew_cmd;

  [[nodiscard]] bool operator==(const X509Svid&) const = default;
};

struct JwtSvid {
  std::string jwt_audience;
  std::vector<std::string> jwt_extra_audiences;
  std::string jwt_svid_file_name;
  std::optional<identity::SpiffeId> spiffe_id;
  std::string hint;

  [[nodiscard]] bool operator==(const JwtSvid&) const = default;
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

// The blocks of these names. load() moves their values to cmd, cmd_args, renew_signal and pid_file_name,
// except reload.cmd and its arguments: that command runs before the program is started or notified, which
// waits for it to end, with success or not.
struct Start {
  std::string cmd;
  std::vector<std::string> args;

  [[nodiscard]] bool operator==(const Start&) const = default;
};
struct Reload {
  std::string cmd;
  std::vector<std::string> args;
  int signal = 0;
  std::string pid_file_name;

  [[nodiscard]] bool operator==(const Reload&) const = default;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by topic, and there is only one
struct Config {
  // Source of the identities.
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
  std::vector<JwtSvid> jwt_svids;
  std::string jwt_bundle_file_name;
  std::string jwks_file_name;
  std::vector<X509Svid> x509_svids;

  // How it is written.
  Layout layout = Layout::snapshot;
  bool create_cert_dir = false;
  bool require_secure_dir = false;
  bool allow_core_dumps = false;
  Revoke revoke = Revoke::keep;
  std::chrono::nanoseconds revoke_after = std::chrono::minutes(5);

  // The process.
  bool daemon_mode = true;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  // one-shot only; 0 = no limit
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::automatic;
  HealthChecks health_checks;

  // The child and the other consumers.
  std::string cmd;
  std::vector<std::string> cmd_args;
  int renew_signal = 0;
  int stop_signal = 15;
  std::chrono::nanoseconds stop_timeout = std::chrono::seconds(10);
  bool stop_cmd_on_exit = true;
  CmdMode cmd_mode = CmdMode::job;
  std::optional<OnRotate> on_rotate;  // not set: signal if renew_signal is set, else none
  Restart restart = Restart::never;
  std::chrono::nanoseconds start_timeout{0};  // 0 = no limit
  std::vector<identity::Kind> notify_on;      // empty: the first configured of x509, jwt, bundle
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
  Start start;
  Reload reload;
  int config_reload_signal = 0;  // 0: SIGHUP in job mode, none in wrap mode

  [[nodiscard]] bool operator==(const Config&) const = default;
};

}  // namespace spiffe::config
