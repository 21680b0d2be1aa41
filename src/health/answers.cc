#include "health/answers.hh"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/go_json.hh"

namespace spiffe::health {

namespace {

std::string_view word(WriteState state) {
  switch (state) {
    case WriteState::unwritten:
      return "unwritten";
    case WriteState::written:
      return "written";
    case WriteState::failed:
      break;
  }
  return "failed";
}

// A certificate is valid up to and including its NotAfter, a token until just before its exp. The stricter
// rule is used for both; it costs a certificate one second.
bool expired(const Output& output, WallTime now) {
  return output.expires && *output.expires <= now;
}

template <class Predicate>
bool any_output(const Status& status, Predicate predicate) {
  return (status.x509 && predicate(*status.x509)) ||
         std::ranges::any_of(status.jwt, [&](const auto& entry) { return predicate(entry.second); }) ||
         std::ranges::any_of(status.x509_svids,
                             [&](const auto& entry) { return predicate(entry.second->output); });
}

// `key`: a literal that needs no escaping.
void append_state(std::string& out, const Output& output) {
  out += '"';
  out += word(output.state);
  out += '"';
}

void append_expired(std::string& out, const Status& status, WallTime now) {
  const char* separator = "";
  const auto append = [&](std::string_view name, const Output& output) {
    if (!expired(output, now)) return;
    out += std::exchange(separator, ",");
    append_go_json(out, name);
    fmt::format_to(std::back_inserter(out), ":\"{}\"", rfc3339(*output.expires));
  };
  if (status.x509) append("x509", *status.x509);
  for (const auto& [path, output] : status.jwt) append(path, output);
  for (const auto& [directory, identity] : status.x509_svids) {
    append("x509_svids/" + directory, identity->output);
  }
}

bool not_offered(const Status& status) {
  return std::ranges::any_of(status.x509_svids, [](const auto& entry) { return entry.second->not_offered; });
}

void append_not_offered(std::string& out, const Status& status) {
  out += R"(,"not_offered":[)";
  const char* separator = "";
  for (const auto& [directory, identity] : status.x509_svids) {
    if (!identity->not_offered) continue;
    out += std::exchange(separator, ",");
    append_go_json(out, directory);
  }
  out += ']';
}

// `whose`: prefix for an identity other than that of the flat configuration.
void complain(std::vector<std::string>& out, const Program& program, const std::string& whose) {
  const Child& child = program.child;
  if (child.configured && !child.up) out.emplace_back("cmd does not run");
  if (child.up && child.signal == SignalResult::failed) {
    out.emplace_back("renew_signal could not be sent to cmd");
  }
  if (child.up && child.signal == SignalResult::withheld) {
    out.emplace_back("renew_signal is withheld: cmd does not handle it");
  }
  if (program.pid_file.configured && program.pid_file.failed) {
    out.push_back(whose + "renew_signal could not be sent to the process of pid_file_name");
  }
  for (std::size_t i = 0; i < kHooks; ++i) {
    const Hook& hook = program.hooks[i];
    if (hook.configured && !hook.failure.empty()) {
      out.push_back(fmt::format("{}{} {}", whose, hook.key, hook.failure));
    }
  }
}

// The failures of programs, if readiness includes them.
std::vector<std::string> complaints(const Status& status) {
  std::vector<std::string> out;
  if (!status.ready_includes_program) return out;
  complain(out, status, "");
  for (const auto& [directory, identity] : status.x509_svids) {
    complain(out, *identity, "x509_svids " + directory + ": ");
  }
  return out;
}

void append_program(std::string& out, const std::vector<std::string>& complaints) {
  out += R"(,"program":[)";
  const char* separator = "";
  for (const std::string& complaint : complaints) {
    out += std::exchange(separator, ",");
    append_go_json(out, complaint);
  }
  out += ']';
}

std::string body(const Status& status, bool good, const std::vector<std::string>& complaints, WallTime now) {
  std::string out = good ? R"({"status":"OK")" : R"({"status":"Service Unavailable")";
  out += R"(,"health":{"file_write_statuses":{)";
  if (status.x509) {
    out += R"("x509_write_status":)";
    append_state(out, *status.x509);
    out += ',';
  }
  out += R"("jwt_write_status":{)";
  const char* separator = "";
  for (const auto& [path, output] : status.jwt) {
    out += std::exchange(separator, ",");
    append_go_json(out, path);
    out += ':';
    append_state(out, output);
  }
  out += '}';
  if (!status.x509_svids.empty()) {
    out += R"(,"x509_svids":{)";
    separator = "";
    for (const auto& [directory, identity] : status.x509_svids) {
      out += std::exchange(separator, ",");
      append_go_json(out, directory);
      out += ':';
      append_state(out, identity->output);
    }
    out += '}';
  }
  out += "}}";
  if (!good && not_offered(status)) append_not_offered(out, status);
  if (!good && status.identity_denied) out += R"(,"identity_denied":true)";
  if (!good && any_output(status, [&](const Output& output) { return expired(output, now); })) {
    out += R"(,"expired":{)";
    append_expired(out, status, now);
    out += '}';
  }
  if (!complaints.empty()) append_program(out, complaints);
  out += '}';
  return out;
}

Answer answer(const Status& status, bool good, const std::vector<std::string>& complaints, WallTime now) {
  return {.code = good ? 200 : 503, .body = body(status, good, complaints, now)};
}

}  // namespace

Answer liveness(const Status& status, WallTime now) {
  const auto failed = [](const Output& output) { return output.state == WriteState::failed; };
  return answer(status, !any_output(status, failed), {}, now);
}

Answer readiness(const Status& status, WallTime now) {
  const auto unready = [&](const Output& output) {
    return output.state != WriteState::written || expired(output, now);
  };
  const auto of_program = complaints(status);
  const bool complete = !any_output(status, unready) && !not_offered(status);
  return answer(status, of_program.empty() && complete, of_program, now);
}

}  // namespace spiffe::health
