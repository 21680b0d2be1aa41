#include "dev_agent/server.hh"

#include <optional>

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <signal.h>

#include "dev_agent/agent.hh"
#include "dev_agent/control.hh"
#include "dev_agent/say.hh"
#include "dev_agent/service.hh"
#include "dev_agent/unix_socket.hh"

namespace spiffe::dev_agent {

namespace {

constexpr std::chrono::milliseconds kGrace{200};  // for calls in progress at the end

void wait_for_end() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGHUP);  // the terminal is gone
  int number = 0;
  while (::sigwait(&ends, &number) != 0) {
  }
}

Result<std::unique_ptr<grpc::Server>> start_grpc(grpc::Service& service) {
  // Never shut down: gRPC's shutdown waits for a poller that sleeps up to ten seconds after a slow write.
  grpc_init();
  grpc::ServerBuilder builder;  // without a port: the Acceptor accepts the connections
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server) return fail("gRPC does not start");
  return server;
}

Result<Acceptor> accept_workloads(UnixSocket socket, Agent& agent, grpc::Server& server) {
  return Acceptor::start(std::move(socket), [&agent, &server](Fd fd) {
    if (!agent.options().quiet) say("connection from " + peer(fd.get()));
    agent.connections().add(fd.get());
    grpc::AddInsecureChannelFromFd(&server, fd.release());
  });
}

}  // namespace

Result<> run(Options options) {
  // The sockets first: they change the umask, and there are no threads yet.
  auto socket = UnixSocket::listen(options.socket);
  if (!socket) return fail(socket.error());
  std::optional<UnixSocket> control_socket;
  if (!options.control.empty()) {
    auto listening = UnixSocket::listen(options.control);
    if (!listening) return fail(listening.error());
    control_socket.emplace(*std::move(listening));
  }
  auto agent = Agent::create(std::move(options));
  if (!agent) return fail(agent.error());
  const auto service = make_service(**agent);
  auto server = start_grpc(*service);
  if (!server) return fail(server.error());
  std::unique_ptr<Control> control;
  if (control_socket) {
    auto started = Control::start(**agent, *std::move(control_socket));
    if (!started) return fail(started.error());
    control = *std::move(started);
  }
  {
    const auto acceptor = accept_workloads(*std::move(socket), **agent, **server);
    if (!acceptor) return fail(acceptor.error());
    say("listening on unix://" + (*agent)->options().socket);
    wait_for_end();
  }
  (*agent)->stop();
  control.reset();
  (*agent)->hub().end_all(grpc::Status(grpc::StatusCode::UNAVAILABLE, "agent is stopping"));
  (*server)->Shutdown(std::chrono::system_clock::now() + kGrace);
  return {};
}

}  // namespace spiffe::dev_agent
