#include "cli/doctor_agent.hh"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/loop.hh"
#include "base/text.hh"
#include "cli/cat.hh"
#include "health/client.hh"
#include "workload/channel.hh"
#include "workload/socket_probe.hh"
#include "workload/x509_source.hh"

namespace spiffe::cli {

namespace {

// The longest part of `path` that is there and may be looked into.
std::string reachable(std::string path) {
  struct stat info{};
  while (path.size() > 1) {
    const std::size_t slash = path.rfind('/');
    path.resize(slash == 0 || slash == std::string::npos ? 1 : slash);
    if (::stat(path.c_str(), &info) == 0 && ::access(path.c_str(), X_OK) == 0) break;
  }
  return path;
}

std::string owner_of(const struct stat& info) {
  std::string mode;
  for (int shift = 9; shift >= 0; shift -= 3) mode += static_cast<char>('0' + (info.st_mode >> shift & 7));
  return cat({"owner ", std::to_string(info.st_uid), ":", std::to_string(info.st_gid), ", mode ", mode});
}

Finding not_there(const std::string& path, int code) {
  const std::string base = reachable(path);
  Finding out{Grade::fail, "socket", cat({escape(path), ": ", errno_text(code)})};
  if (code == EACCES) {
    out.hint = cat({"user ", std::to_string(::geteuid()), " gets no further than ", escape(base),
                    ": look at the modes of the directories below it"});
  } else {
    const bool parent = base == path.substr(0, path.rfind('/'));
    out.hint =
        parent ? "its directory is there: is the agent running, and is that its directory and no empty one?"
               : cat({"is the agent's socket directory mounted into this container? of the path only ",
                      escape(base), " is there"});
  }
  return out;
}

struct Answer {
  std::shared_ptr<workload::X509Update> update;
  std::optional<workload::Failure> failure;  // neither: no answer in time
};

Result<Answer> ask(const Endpoint& endpoint, const workload::X509Rules& rules,
                   std::chrono::nanoseconds timeout) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  Answer out;
  Timer limit(**loop, [&] { (*loop)->stop(); });
  if (timeout.count() > 0) limit.after(timeout);
  workload::X509Source source(**loop, endpoint, rules,
                              {.on_update =
                                   [&](std::shared_ptr<workload::X509Update> update) {
                                     out.update = std::move(update);
                                     (*loop)->stop();
                                   },
                               .on_lost =
                                   [&](const workload::Lost& lost) {
                                     out.failure = lost.failure;
                                     (*loop)->stop();
                                   },
                               .on_restored = [] {}});
  source.start();
  (*loop)->run();
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
  if (::stat(path.c_str(), &info) != 0) {
    out.push_back(not_there(path, errno));
    return;
  }
  if (!S_ISSOCK(info.st_mode)) {
    out.push_back(
        {Grade::fail, "socket",
         cat({escape(path), ": ", (S_ISDIR(info.st_mode) ? "a directory" : "a file"), ", not a socket"}),
         "correct agent_address, or what is mounted there: a mount of a path that was missing makes a "
         "directory"});
    return;
  }
  add(out, Grade::ok, "socket", escape(path) + " is a socket");
  const int code = workload::probe_endpoint(endpoint);
  if (code == EACCES || code == EPERM) {
    add(out, Grade::fail, "permission",
        cat({"user ", std::to_string(::geteuid()), " may not open it: ", owner_of(info)}),
        "run as another user, or let the agent's socket be writable for this one");
  } else if (code != 0) {
    out.push_back(
        {Grade::fail, "listener", "nobody listens: " + errno_text(code),
         "the socket is left over: is the agent running? one that restarts makes a new socket, so mount "
         "its directory and not the file"});
  } else {
    add(out, Grade::ok, "listener", "somebody listens");
  }
}

void check_tcp(const Endpoint& endpoint, std::chrono::nanoseconds timeout, Findings& out) {
  const auto connected = health::probe(endpoint, timeout);
  if (connected) return add(out, Grade::ok, "listener", "somebody listens");
  const int code = connected.error().sys;
  add(out, Grade::fail, "listener",
      code == 0 ? connected.error().message
                : cat({"nobody answers at ", endpoint.uri(), ": ", errno_text(code)}),
      code == ECONNREFUSED ? "is the agent running, and is that its port? most agents listen on a socket only"
                           : "is that the agent's address, and does a network policy or firewall let this "
                             "process through?");
}

bool check_answer(const Endpoint& endpoint, const workload::X509Rules& rules,
                  std::chrono::nanoseconds timeout, Findings& out) {
  workload::init_grpc();
  const auto answer = ask(endpoint, rules, timeout);
  if (!answer) {
    add(out, Grade::fail, "workload-api", answer.error().message, answer.error().hint);
  } else if (answer->update != nullptr) {
    add(out, Grade::ok, "workload-api", cat({"the agent at ", endpoint.uri(), " answers"}));
    judge_update(*answer->update, rules.selection, out);
    return true;
  } else if (answer->failure) {
    out.push_back(judge_failure(*answer->failure, {::geteuid(), ::getegid(), ::getpid()}));
    if (out.back().hint.empty())
      out.back().hint = "is it the Workload API of a SPIFFE agent that listens there? its log says more";
  } else {
    add(out, Grade::fail, "workload-api", "no answer within " + human(timeout),
        cat({"somebody listens at ", endpoint.uri(),
             " and says nothing: is it a SPIFFE agent, and what "
             "does its log say?"}));
  }
  return false;
}

}  // namespace spiffe::cli
