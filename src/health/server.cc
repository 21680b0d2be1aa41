#include "health/server.hh"

#include <array>
#include <cstdlib>
#include <utility>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/log.hh"
#include "health/answers.hh"
#include "health/metrics.hh"

namespace spiffe::health {

namespace {

constexpr int kMethods = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                         EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH;

struct Reply {
  int code;
  const char* reason;
  const char* content_type;
  std::string_view body;
};

void send(evhttp_request* request, const Reply& reply) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", reply.content_type);
  if (reply.code == 404) evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Content-Length", std::to_string(reply.body.size()).c_str());
  evhttp_add_header(headers, "Connection", "close");
  // evhttp would confirm a keep-alive of HTTP/1.0, next to our "close".
  evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
  if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
    evbuffer_add(evhttp_request_get_output_buffer(request), reply.body.data(), reply.body.size());
  }
  evhttp_send_reply(request, reply.code, reply.reason, nullptr);
}

void send(evhttp_request* request, const Answer& answer) {
  send(request,
       {answer.code, answer.code == 200 ? "OK" : "Service Unavailable", "application/json", answer.body});
}

// The path without query, decoded.
std::string path_of(const evhttp_request* request) {
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* raw = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  if (raw == nullptr) return {};
  std::size_t size = 0;
  const std::unique_ptr<char, decltype(&std::free)> decoded(evhttp_uridecode(raw, 0, &size), &std::free);
  return decoded == nullptr ? std::string() : std::string(decoded.get(), size);
}

bool fits(std::string_view pattern, std::string_view path) {
  return pattern == path || (pattern.ends_with('/') && path.starts_with(pattern));
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Loop& loop, const Status& status, Options options) {
  std::unique_ptr<Server> self(new Server(status, std::move(options)));
  if (auto listening = self->listen(loop); !listening) return fail(listening.error());
  return self;
}

Server::Server(const Status& status, Options options)
    : status_(status), options_(std::move(options)), connections_(options_.connections) {}

Server::~Server() {
  connections_.detach();
  if (http_ != nullptr) evhttp_free(http_);
}

Result<void> Server::listen(Loop& loop) {
  // evhttp's messages are about clients, and would go to stderr.
  event_set_log_callback([](int, const char* message) { log::debug(message, {{"event", "libevent"}}); });
  http_ = evhttp_new(loop.native());
  if (http_ == nullptr) return fail("health checks: out of memory");
  evhttp_set_max_headers_size(http_, static_cast<ev_ssize_t>(options_.header_bytes));
  evhttp_set_max_body_size(http_, static_cast<ev_ssize_t>(options_.body_bytes));
  evhttp_set_allowed_methods(http_, kMethods);
  evhttp_set_gencb(
      http_, [](evhttp_request* request, void* self) { static_cast<Server*>(self)->answer(request); }, this);
  connections_.attach(http_, loop.native());
  if (options_.tcp) {
    auto listener = Listener::tcp(options_.tcp->address, options_.tcp->port);
    if (!listener) return fail(listener.error());
    if (auto accepting = accept_on(loop, *std::move(listener)); !accepting) return accepting;
  }
  if (options_.unix_socket.empty()) return {};
  auto listener = Listener::unix_socket(options_.unix_socket, options_.unix_socket_mode);
  if (!listener) return fail(listener.error());
  return accept_on(loop, *std::move(listener));
}

Result<void> Server::accept_on(Loop& loop, Listener listener) {
  evconnlistener* native =
      evconnlistener_new(loop.native(), nullptr, nullptr, LEV_OPT_CLOSE_ON_EXEC, 0, listener.fd());
  if (native == nullptr) return fail("health checks: out of memory");
  if (evhttp_bind_listener(http_, native) == nullptr) {
    evconnlistener_free(native);
    return fail("health checks: out of memory");
  }
  listeners_.push_back(std::move(listener));
  connections_.admit(native);
  return {};
}

void Server::answer(evhttp_request* request) const {
  const std::string* path = path_for(path_of(request));
  if (path == nullptr) {
    send(request, {404, "Not Found", "text/plain; charset=utf-8", "404 page not found\n"});
  } else if (path == &options_.metrics_path) {
    send(request, {200, "OK", kMetricsContentType, metrics(status_)});
  } else if (path == &options_.liveness_path) {
    send(request, liveness(status_, wall_now()));
  } else {
    send(request, readiness(status_, wall_now()));
  }
}

const std::string* Server::path_for(std::string_view path) const {
  const std::string* best = nullptr;
  for (const std::string* pattern :
       {&options_.liveness_path, &options_.readiness_path, &options_.metrics_path}) {
    if (!pattern->empty() && fits(*pattern, path) && (best == nullptr || pattern->size() > best->size())) {
      best = pattern;
    }
  }
  return best;
}

}  // namespace spiffe::health
