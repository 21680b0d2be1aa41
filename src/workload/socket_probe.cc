#include "workload/socket_probe.hh"

#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.hh"

namespace spiffe::workload {

using namespace std::chrono_literals;

int probe_endpoint(const Endpoint& endpoint) {
  if (endpoint.kind() != Endpoint::Kind::unix_socket) return 0;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.path().size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, endpoint.path().data(), endpoint.path().size());
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  // The backlog is full: the server is alive, but busy.
  return errno == EAGAIN ? 0 : errno;
}

SocketProbe::SocketProbe(Loop& loop, Endpoint endpoint, const Retry& retry, std::function<void()> on_answer)
    : endpoint_(std::move(endpoint)),
      retry_(retry),
      on_answer_(std::move(on_answer)),
      timer_(loop, [this] { probe(); }) {}

void SocketProbe::begin(Retry::Duration wait) {
  watched_.reset();
  timer_.after(wait);
}

void SocketProbe::watch() {
  if (endpoint_.kind() != Endpoint::Kind::unix_socket) return;
  watched_ = look();
  timer_.after(1s);
}

SocketProbe::Seen SocketProbe::look() const {
  struct stat st{};
  if (::stat(endpoint_.path().c_str(), &st) != 0) return {};
  return {st.st_dev, st.st_ino, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
}

void SocketProbe::probe() {
  if (watched_ && *watched_ == look()) {
    timer_.after(1s);
    return;
  }
  watched_.reset();
  if (probe_endpoint(endpoint_) != 0) {
    timer_.after(retry_.next_probe(BootClock::now().time_since_epoch()));
    return;
  }
  log::debug("the agent's socket answers again", {{"address", endpoint_.uri()}});
  on_answer_();
}

}  // namespace spiffe::workload
