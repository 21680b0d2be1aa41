#include "workload/explain.hh"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "workload/socket_probe.hh"

namespace spiffe::workload {

namespace {

std::string user() {
  return "user " + std::to_string(::geteuid());
}

// The longest existing prefix of `path` that we may search.
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
  return "owner " + std::to_string(info.st_uid) + ':' + std::to_string(info.st_gid) + ", mode " + mode;
}

std::string hint_of_missing(const std::string& path) {
  const std::string base = reachable(path);
  if (base == path.substr(0, path.rfind('/')))
    return "its directory is there: is the agent running, and is that its directory and no empty one?";
  return "is the agent's socket directory mounted into this container? of the path only " + escape(base) +
         " is there";
}

std::string hint_of_denied(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    return user() + " may not open it (" + owner_of(info) +
           "): run as another user, or let the agent's socket be writable for this one";
  }
  return user() + " gets no further than " + escape(reachable(path)) +
         ": look at the modes of the directories below it";
}

std::string hint_of_refused(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return std::string("it is ") + (S_ISDIR(info.st_mode) ? "a directory" : "a file") +
           ", not a socket: correct agent_address, or what is mounted there; a mount of a path that was "
           "missing makes a directory";
  }
  return "the socket is left over: is the agent running? one that restarts makes a new socket, so mount its "
         "directory and not the file";
}

std::string hint_of_connect(int code, const std::string& path) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return hint_of_missing(path);
    case EACCES:
    case EPERM:
      return hint_of_denied(path);
    case ECONNREFUSED:
      return hint_of_refused(path);
    case EMFILE:
    case ENFILE:
      return "no file descriptor is left: raise the limit (ulimit -n, LimitNOFILE=)";
    case ENAMETOOLONG:
      return "the path of a socket has 107 bytes at most: mount its directory somewhere shorter";
    default:
      return {};
  }
}

}  // namespace

Failure explain(const StreamEnd& end, const Endpoint& endpoint) {
  // A missing resource is unrelated to the agent, and probing the socket could fail for the same reason.
  if (end.lack != 0) return classify(end, 0, endpoint.uri());
  if (const int code = probe_endpoint(endpoint); code != 0) return explain_connect(code, endpoint);
  Failure failure = classify(end, 0, endpoint.uri());
  if (failure.kind == FailureKind::no_identity) {
    failure.hint =
        "no registration entry matches this process: is this agent the entry's parent, and do its selectors "
        "fit what the agent sees: pod and container, unix:uid:" +
        std::to_string(::geteuid()) + ", unix:gid:" + std::to_string(::getegid()) + ", pid " +
        std::to_string(::getpid());
  }
  if (failure.hint.empty() && end.code != 0) {
    failure.hint = "is it the Workload API of a SPIFFE agent that listens there? its log says more";
  }
  return failure;
}

Failure explain_connect(int code, const Endpoint& endpoint) {
  Failure failure = classify({}, code, endpoint.uri());
  failure.hint = hint_of_connect(code, endpoint.path());
  return failure;
}

}  // namespace spiffe::workload
