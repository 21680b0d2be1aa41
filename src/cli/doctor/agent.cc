#include "cli/doctor/agent.hh"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/loop.hh"
#include "base/text.hh"
#include "cli/text/cat.hh"
#include "health/client.hh"
#include "workload/channel.hh"
#include "workload/explain.hh"
#include "workload/socket_probe.hh"
#include "workload/x509_source.hh"

namespace spiffe::cli {

namespace {

struct X509Answer {
  std::vector<std::shared_ptr<workload::X509Update>> updates;  // one for each of the rules
  std::optional<workload::Failure> failure;                    // if both are empty: no answer in time
};

Result<X509Answer> ask(const Endpoint& endpoint, const std::vector<workload::X509Rules>& rules,
                       std::chrono::nanoseconds timeout) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  X509Answer out;
  std::vector<std::shared_ptr<workload::X509Update>> judged;  // of the message being verified
  workload::X509Source source(**loop, endpoint, rules,
                              {.on_judged =
                                   [&](std::size_t index, const auto& update) {
                                     judged.resize(index);
                                     judged.push_back(update);
                                     if (judged.size() < rules.size()) return;
                                     out.updates = judged;
                                     (*loop)->stop();
                                   },
                               .on_lost =
                                   [&](const workload::Lost& lost) {
                                     out.failure = lost.failure;
                                     (*loop)->stop();
                                   },
                               .on_restored = [] {}});
  source.start();
  (*loop)->run_for(timeout);
  return out;
}

void judge_identity(const identity::X509Context& context, const identity::X509Selection& selection,
                    Findings& out) {
  const std::string id = context.svid.id.str();
  const bool chosen = !selection.hint.empty() || !selection.spiffe_id.empty();
  if (chosen || context.svids_received < 2) return add(out, Grade::ok, "identity", id);
  add(out, Grade::warn, "identity",
      cat({id, ", the first of ", std::to_string(context.svids_received),
           " that the agent offers, and which one is first may change"}),
      "set hint or spiffe_id; spiffe-helper fetch x509 shows them all");
}

void judge_update(const workload::X509Update& update, const identity::X509Selection& selection,
                  Findings& out) {
  const auto& context = update.context();
  const auto& refusal = update.verdict().refusal;
  std::vector<std::string> ignored;
  if (context == nullptr || !context->svid.check(ignored)) {
    const bool none = refusal && refusal->not_offered;
    add(out, Grade::fail, none ? "identity" : "svid", refusal ? refusal->error.message : "unreadable",
        refusal ? refusal->error.hint : "");
    if (out.back().hint.empty()) {
      out.back().hint = none ? "compare hint and spiffe_id with what the agent offers"
                             : "the agent's answer breaks the standard: what does its log say?";
    }
    return;
  }
  const identity::X509Svid& svid = context->svid;
  judge_identity(*context, selection, out);
  out.push_back(judge_clock(svid.leaf().not_before(), svid.leaf().not_after(), wall_now()));
  if (out.back().grade == Grade::fail) return;
  if (!refusal) {
    add(out, Grade::ok, "verification", "key, certificate and bundle belong together");
    return;
  }
  add(out, Grade::fail, "verification", refusal->error.message, refusal->error.hint);
  if (out.back().hint.empty()) {
    out.back().hint =
        "the helper refuses this answer and keeps what is on disk: what does the agent's log say?";
  }
}

}  // namespace

void check_socket(const Endpoint& endpoint, Findings& out) {
  const std::string& path = endpoint.path();
  struct stat info{};
  const int missing = ::stat(path.c_str(), &info) != 0 ? errno : 0;
  const bool is_socket = missing == 0 && S_ISSOCK(info.st_mode);
  if (is_socket) add(out, Grade::ok, "socket", escape(path) + " is a socket");
  const int code = missing != 0 ? missing : workload::probe_endpoint(endpoint);
  if (code == 0) return add(out, Grade::ok, "listener", "a server listens");
  const workload::Failure failure = workload::explain_connect(code, endpoint);
  const bool denied = code == EACCES || code == EPERM;
  add(out, Grade::fail,
      !is_socket ? "socket"
      : denied   ? "permission"
                 : "listener",
      failure.cause, failure.hint);
}

void check_tcp(const Endpoint& endpoint, std::chrono::nanoseconds timeout, Findings& out) {
  const auto connected = health::probe(endpoint, timeout);
  if (connected) return add(out, Grade::ok, "listener", "a server listens");
  const int code = connected.error().sys;
  add(out, Grade::fail, "listener",
      code == 0 ? connected.error().message
                : cat({"cannot reach the agent at ", endpoint.uri(), ": ", errno_text(code)}),
      code == ECONNREFUSED ? "is the agent running, and is that its port? most agents listen on a socket only"
                           : "is that the agent's address, and does a network policy or firewall let this "
                             "process through?");
}

bool check_answer(const Endpoint& endpoint, const std::vector<workload::X509Rules>& rules,
                  std::chrono::nanoseconds timeout, Findings& out) {
  workload::init_grpc();
  const auto answer = ask(endpoint, rules, timeout);
  if (!answer) {
    add(out, Grade::fail, "workload-api", answer.error().message, answer.error().hint);
  } else if (!answer->updates.empty()) {
    add(out, Grade::ok, "workload-api", cat({"the agent at ", endpoint.uri(), " answers"}));
    for (std::size_t i = 0; i < rules.size(); ++i) judge_update(*answer->updates[i], rules[i].selection, out);
    return true;
  } else if (answer->failure) {
    out.push_back(judge_failure(*answer->failure));
  } else {
    add(out, Grade::fail, "workload-api", "no answer within " + human(timeout),
        cat({"a server listens at ", endpoint.uri(),
             " but does not answer: is it a SPIFFE agent, and what "
             "does its log say?"}));
  }
  return false;
}

}  // namespace spiffe::cli
