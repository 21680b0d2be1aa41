#include "cli/doctor/finding.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <utility>

#include <sys/sysmacros.h>

#include "cli/files/describe_certificate.hh"
#include "cli/text/cat.hh"
#include "cli/text/lifetime.hh"
#include "output/write_error.hh"

namespace spiffe::cli {

namespace {

// Removes the text before `end`, and `end` itself, from the front of `text`; returns that text.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return out;
}

}  // namespace

void add(Findings& out, Grade grade, std::string_view step, std::string message, std::string_view hint) {
  out.push_back({grade, std::string(step), std::move(message), std::string(hint)});
}

std::string_view grade_name(Grade grade) {
  if (grade == Grade::ok) return "ok";
  return grade == Grade::warn ? "warn" : "fail";
}

bool has_fail(const Findings& findings) {
  return std::ranges::find(findings, Grade::fail, &Finding::grade) != findings.end();
}

std::string finding_text(const Finding& finding) {
  std::string out(grade_name(finding.grade));
  out.resize(6, ' ');
  out += finding.step + ": " + finding.message + "\n";
  if (!finding.hint.empty()) out += "      hint: " + finding.hint + "\n";
  return out;
}

Finding judge_failure(const workload::Failure& failure) {
  const bool denied = failure.kind == workload::FailureKind::no_identity;
  Finding out{Grade::fail, denied ? "identity" : "workload-api", failure.cause, failure.hint};
  out.denied = denied;
  return out;
}

Finding judge_clock(WallTime not_before, WallTime not_after, WallTime now) {
  const std::string left = time_left(not_before, not_after, now);
  if (now < not_before) {
    return {
        Grade::fail, "clock", cat({"the SVID is ", left, ", from ", rfc3339(not_before)}),
        cat({"is this machine's clock slow? compare date -u here (", rfc3339(now), ") and at the agent"})};
  }
  if (now >= not_after) {
    return {Grade::fail, "clock", cat({"the SVID ", left, ", at ", rfc3339(not_after)}),
            cat({"is this machine's clock fast? compare date -u here (", rfc3339(now),
                 ") and at the agent; if they agree the agent cannot renew, and its log says why"})};
  }
  return {Grade::ok, "clock", "within the SVID's validity, " + left};
}

Finding judge_directory(const std::string& path, const struct stat& info, output::Writers writers,
                        bool empty_dir, bool require_secure) {
  constexpr const char* kStep = "cert-dir";
  if (!S_ISDIR(info.st_mode)) {
    return {Grade::fail, kStep, "cannot write " + path + ": " + errno_text(ENOTDIR),
            output::hint_of_write(ENOTDIR)};
  }
  const bool others = writers == output::Writers::others;
  if (writers != output::Writers::trusted && require_secure) {
    const std::string group = "group " + std::to_string(info.st_gid);
    return {
        Grade::fail, kStep,
        cat({path, ": ", others ? "others" : group, " can write it, and require_secure_dir is set"}),
        others ? "chmod o-w " + path : cat({"chmod g-w ", path, ", or set group or key_group to ", group})};
  }
  if (!others) return {Grade::ok, kStep, path + " is there"};
  if (empty_dir) return {Grade::ok, kStep, path + " is an emptyDir"};
  return {Grade::warn, kStep, path + ": others can write it, and so replace what is published there",
          "chmod o-w " + path};
}

bool is_empty_dir(std::string_view mountinfo, std::string_view path) {
  while (!mountinfo.empty()) {
    std::string_view line = take(mountinfo, '\n');
    for (int i = 0; i < 3; ++i) take(line, ' ');
    const std::string_view root = take(line, ' ');
    if (take(line, ' ') != path) continue;
    const std::size_t dash = line.find(" - ");
    const std::string_view type = dash == std::string_view::npos ? "" : line.substr(dash + 3);
    // With medium: Memory, the volume is a separate tmpfs.
    if (root.find("/kubernetes.io~empty-dir/") != std::string_view::npos || type.starts_with("tmpfs "))
      return true;
  }
  return false;
}

std::string config_of(std::string_view cmdline) {
  take(cmdline, '\0');
  std::string out = "helper.conf";
  while (!cmdline.empty()) {
    std::string_view word = take(cmdline, '\0');
    if (word == "--") break;
    if (word.starts_with("--")) word.remove_prefix(1);
    if (word == "-config") out = take(cmdline, '\0');
    if (word.starts_with("-config=")) out = word.substr(8);
  }
  return out;
}

LockSaid lock_said(std::string_view proc_locks, pid_t pid, const struct stat& file) {
  const std::string wanted = std::to_string(pid);
  const std::string inode = std::to_string(file.st_ino);
  LockSaid out = LockSaid::nothing;
  while (!proc_locks.empty()) {
    std::istringstream line{std::string(take(proc_locks, '\n'))};
    // "1: FLOCK  ADVISORY  WRITE 23455 fe:00:10250558 0 EOF"; "1: -> FLOCK …" is a process that waits.
    std::string number;
    std::string kind;
    std::string advisory;
    std::string access;
    std::string holder;
    std::string place;
    if (!(line >> number >> kind >> advisory >> access >> holder >> place) || kind != "FLOCK") continue;
    const std::size_t colon = place.rfind(':');
    if (colon == std::string::npos || place.substr(colon + 1) != inode) continue;
    if (holder == wanted) return LockSaid::held;
    // Inode numbers are not unique across file systems.
    std::array<char, 32> device{};
    std::snprintf(device.data(), device.size(), "%02x:%02x", major(file.st_dev), minor(file.st_dev));
    if (place.substr(0, colon) == device.data()) out = LockSaid::held_by_another;
  }
  return out;
}

}  // namespace spiffe::cli
