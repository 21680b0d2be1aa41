// The state of the helper, for probes and metrics: plain data that the daemon writes and the answers read,
// all on the loop thread. Contains no secrets. Times are wall time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hh"
#include "identity/kind.hh"

namespace spiffe::health {

using identity::Kind;
using identity::kKinds;

enum class WriteState {
  unwritten,  // not written yet by this process
  written,
  failed,  // the last attempt failed; `written` again after a success
};

// One output on disk.
struct Output {
  WriteState state = WriteState::unwritten;
  // Expiry of the content on disk, which stays there after a failed write. Not set: no content, or it does
  // not expire.
  std::optional<WallTime> expires = std::nullopt;
};

// The result of one message of the agent, or of one fetched JWT-SVID.
enum class UpdateResult { accepted, refused, not_yet_valid, failed };
inline constexpr std::size_t kUpdateResults = 4;

// The result of one signal to the child or to the process of the PID file.
enum class SignalResult { sent, withheld, failed };
inline constexpr std::size_t kSignalResults = 3;

// One kind of update. Counters count from the start of the process.
struct Updates {
  // `failed`: the agent could not be reached, or answered with an error. Not every attempt to reconnect
  // counts.
  std::array<std::uint64_t, kUpdateResults> results{};
  std::optional<WallTime> last;         // the last valid message, fetch or confirmation
  bool stream_connected = false;        // for JWT-SVIDs: the last fetch was answered
  std::uint64_t stream_reconnects = 0;  // streams opened after the first
  std::uint64_t publications = 0;       // publications that changed a file
  std::uint64_t write_failures = 0;

  std::uint64_t& count(UpdateResult result) { return results[static_cast<std::size_t>(result)]; }
};

struct Child {
  bool configured = false;
  bool up = false;
  std::optional<SignalResult> signal = std::nullopt;  // the last one to the running child
  std::uint64_t starts = 0;
  std::uint64_t exits = 0;  // requested or not
};

struct PidFile {
  bool configured = false;
  bool failed = false;  // the last rotation's signal
  std::array<std::uint64_t, kSignalResults> signals{};

  std::uint64_t& count(SignalResult result) { return signals[static_cast<std::size_t>(result)]; }
};

// A command that runs for publications.
enum class HookKind { prepare, renew };
inline constexpr std::size_t kHooks = 2;
inline constexpr std::array<std::string_view, kHooks> kHookWords = {"prepare", "renew"};  // by HookKind

struct Hook {
  std::string_view key = {};  // that configures it: "prepare_cmd"
  bool configured = false;
  std::uint64_t succeeded = 0;  // runs
  std::uint64_t failed = 0;
  std::string failure = {};  // of the last run, "exited with code 3"; "" if it succeeded
};

// The programs that use the files of one identity. Counters count from the start of the process.
struct Program {
  Child child;
  PidFile pid_file;
  std::array<Hook, kHooks> hooks{{{.key = "prepare_cmd"}, {.key = "renew_cmd"}}};  // by HookKind
  std::array<std::uint64_t, kSignalResults> signals{};  // to the child and to the PID file's process

  Hook& of(HookKind kind) { return hooks[static_cast<std::size_t>(kind)]; }
  std::uint64_t& count(SignalResult result) { return signals[static_cast<std::size_t>(result)]; }
};

// Expiry of the content on disk.
struct Lifetimes {
  std::map<std::string, WallTime> svid_not_after;    // by SPIFFE ID: the X.509-SVIDs on disk
  std::map<std::string, WallTime> bundle_not_after;  // by trust domain: the authority that expires first
};

// A further X.509 identity: an entry of x509_svids.
struct Identity : Program, Lifetimes {
  Output output;
  bool not_offered = false;  // the agent's last message had no SVID for it
};

struct Status : Program, Lifetimes {
  // As the probes show it. Not set: X.509 is not configured.
  std::optional<Output> x509;
  // By their directory, as configured. Not null.
  std::map<std::string, std::shared_ptr<const Identity>> x509_svids;
  // JWT-SVIDs and the JWT bundle by their path, joined to cert_dir.
  std::map<std::string, Output> jwt;
  // The agent's last answer was PermissionDenied.
  bool identity_denied = false;

  // Readiness also depends on the child, the PID file's process and the hooks.
  bool ready_includes_program = false;

  // For the metrics only.
  std::string version;
  std::array<std::optional<Updates>, kKinds> updates;  // by Kind; not set: not configured
  std::uint64_t federated_bundles_refused = 0;

  using Program::of;
  // Makes `kind` appear in the metrics; returns the same object each time.
  Updates& of(Kind kind) {
    auto& found = updates[static_cast<std::size_t>(kind)];
    if (!found) found.emplace();
    return *found;
  }
};

}  // namespace spiffe::health
