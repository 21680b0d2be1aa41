// The doctor's findings, and the judgements that need no access to the system. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/clock.hh"
#include "identity/x509_context.hh"
#include "output/directory.hh"
#include "workload/failure.hh"

namespace spiffe::cli {

enum class Grade { ok, warn, fail };

struct Finding {
  Grade grade = Grade::ok;
  std::string step;     // a stable word: "socket", "cert-dir"
  std::string message;  // as Error::message
  std::string hint = {};
  bool denied = false;  // the agent has no identity for us
};
using Findings = std::vector<Finding>;

// Whether the agent would renew expired files.
enum class Renewal { possible, denied, no_answer };

void add(Findings& out, Grade grade, std::string_view step, std::string message, std::string_view hint = {});

[[nodiscard]] std::string_view grade_name(Grade grade);
[[nodiscard]] bool has_fail(const Findings& findings);
// "fail  socket: …" and "      hint: …", as lines.
[[nodiscard]] std::string finding_text(const Finding& finding);

// The agent ended the call without an answer.
[[nodiscard]] Finding judge_failure(const workload::Failure& failure);

// Is the agent's SVID valid now? If not, the cause may be the clock as well as the agent.
[[nodiscard]] Finding judge_clock(WallTime not_before, WallTime not_after, WallTime now);

// A directory of outputs. `empty_dir`: a volume of one pod, which Kubernetes creates with mode 0777.
[[nodiscard]] Finding judge_directory(const std::string& path, const struct stat& info,
                                      output::Writers writers, bool empty_dir, bool require_secure);

// Whether /proc/self/mountinfo has an emptyDir of Kubernetes at `path`, absolute and without symlinks.
[[nodiscard]] bool is_empty_dir(std::string_view mountinfo, std::string_view path);

// The configuration file in a helper's command line; words end with NUL, as in /proc/<pid>/cmdline.
[[nodiscard]] std::string config_of(std::string_view cmdline);

// Whether a process holds the flock(2) of a file, by /proc/locks: yes; another one holds it; or nothing is
// listed (the holder is in another PID namespace, or the file system uses other numbers there).
enum class LockSaid { held, held_by_another, nothing };
[[nodiscard]] LockSaid lock_said(std::string_view proc_locks, pid_t pid, const struct stat& file);

}  // namespace spiffe::cli
