// Serves the control socket, with a thread for each connection because commands may wait.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.hh"
#include "base/result.hh"
#include "dev_agent/agent.hh"
#include "dev_agent/unix_socket.hh"

namespace spiffe::dev_agent {

class Control {
 public:
  // `agent` must outlive it.
  static Result<std::unique_ptr<Control>> start(Agent& agent, UnixSocket socket);
  // Closes the connections. Stop the agent first, or this waits for commands that wait.
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  struct Session {
    Fd fd;
    bool over = false;
    std::thread thread;
  };
  explicit Control(Agent& agent) : agent_(agent) {}
  void open(Fd connection);
  void serve(Session& session);

  Agent& agent_;
  std::mutex mutex_;
  std::list<Session> sessions_;
  std::optional<Acceptor> acceptor_;  // last: it calls open()
};

}  // namespace spiffe::dev_agent
