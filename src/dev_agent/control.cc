#include "dev_agent/control.hh"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include "dev_agent/commands.hh"

namespace spiffe::dev_agent {

namespace {

constexpr std::size_t kLongestLine = 4096;

bool send_line(int fd, std::string text) {
  text += '\n';
  return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

}  // namespace

Result<std::unique_ptr<Control>> Control::start(Agent& agent, UnixSocket socket) {
  std::unique_ptr<Control> self(new Control(agent));
  auto acceptor = Acceptor::start(std::move(socket), [raw = self.get()](Fd fd) { raw->open(std::move(fd)); });
  if (!acceptor) return fail(acceptor.error());
  self->acceptor_.emplace(*std::move(acceptor));
  return self;
}

Control::~Control() {
  acceptor_.reset();
  {
    const std::lock_guard lock(mutex_);
    for (const Session& session : sessions_) ::shutdown(session.fd.get(), SHUT_RDWR);
  }
  for (Session& session : sessions_) session.thread.join();
}

void Control::open(Fd connection) {
  ::fcntl(connection.get(), F_SETFL, 0);  // blocking: the thread has nothing else to do
  const std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [](Session& session) {
    if (session.over) session.thread.join();
    return session.over;
  });
  Session& session = sessions_.emplace_back();
  session.fd = std::move(connection);
  session.thread = std::thread([this, &session] { serve(session); });
}

void Control::serve(Session& session) {
  const int fd = session.fd.get();
  std::string input;
  std::array<char, 512> chunk{};
  bool good = true;
  while (good) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    input.append(chunk.data(), static_cast<std::size_t>(got));
    for (std::size_t end = input.find('\n'); good && end != std::string::npos; end = input.find('\n')) {
      std::string line = input.substr(0, end);
      input.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      good = send_line(fd, answer(agent_, line));
    }
    good = good && input.size() <= kLongestLine;
  }
  ::shutdown(fd, SHUT_RDWR);  // the descriptor is closed when the session is removed
  const std::lock_guard lock(mutex_);
  session.over = true;
}

}  // namespace spiffe::dev_agent
