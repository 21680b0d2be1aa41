#include "health/connections.hh"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <sys/socket.h>

#include "base/log.hh"
#include "base/result.hh"

namespace spiffe::health {

namespace {

// The pause in accepting connections when no descriptor is left.
constexpr timeval kStarved{.tv_sec = 0, .tv_usec = 250'000};

// The time until evhttp has noticed that its connection was cut.
constexpr timeval kSoon{.tv_sec = 0, .tv_usec = 1'000};

// The longest time that a descriptor stays open after evhttp has released it.
constexpr timeval kLinger{.tv_sec = 0, .tv_usec = 20'000};

// evhttp uses the listener's argument for itself, so the error callback has to search for its owner.
std::list<Connections*>& attached() {
  static std::list<Connections*> all;
  return all;
}

timeval to_timeval(std::chrono::microseconds d) {
  const auto s = std::chrono::floor<std::chrono::seconds>(d);
  return {.tv_sec = s.count(), .tv_usec = (d - s).count()};
}

// bufferevent_free() removes the callbacks. Until then, evhttp's connections always have them.
bool freed(bufferevent* socket) {
  bufferevent_data_cb on_read = nullptr;
  bufferevent_data_cb on_write = nullptr;
  bufferevent_event_cb on_event = nullptr;
  void* argument = nullptr;
  bufferevent_getcb(socket, &on_read, &on_write, &on_event, &argument);
  return on_event == nullptr;
}

// evhttp sees the end of the stream, or a failing write, and frees the connection.
void cut(bufferevent* socket) {
  if (!freed(socket)) ::shutdown(bufferevent_getfd(socket), SHUT_RDWR);
}

}  // namespace

Connections::~Connections() {
  detach();
  while (!open_.empty()) forget(open_.begin());
}

void Connections::attach(evhttp* http, event_base* base) {
  attached().push_back(this);
  look_again_ = evtimer_new(
      base,
      [](evutil_socket_t, short, void* arg) {
        auto* self = static_cast<Connections*>(arg);
        self->starved_ = false;
        self->collect();
        self->let_in_or_not();
      },
      this);
  evhttp_set_bevcb(
      http, [](event_base* its_base, void* self) { return static_cast<Connections*>(self)->open(its_base); },
      this);
}

void Connections::admit(evconnlistener* listener) {
  listeners_.push_back(listener);
  evconnlistener_set_error_cb(listener, [](evconnlistener* failed, void*) {
    for (Connections* owner : attached()) {
      if (std::ranges::find(owner->listeners_, failed) != owner->listeners_.end()) owner->starve();
    }
  });
  let_in_or_not();
}

void Connections::detach() {
  listeners_.clear();
  attached().remove(this);
  if (look_again_ != nullptr) event_free(std::exchange(look_again_, nullptr));
}

std::size_t Connections::count() {
  collect();
  return open_.size();
}

// The descriptor is set later, and the bufferevent closes it. If evhttp closed it, our reference would keep
// its events registered, and a new connection with the same number could not be watched.
bufferevent* Connections::open(event_base* base) {
  starvation_logged_ = false;
  collect();
  bufferevent* socket = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  if (socket == nullptr) return nullptr;
  bufferevent_incref(socket);
  Connection& connection = open_.emplace_back(this, socket, nullptr);
  connection.deadline = evtimer_new(
      base,
      [](evutil_socket_t, short, void* arg) {
        auto* c = static_cast<Connection*>(arg);
        c->owner->on_deadline(*c);
      },
      &connection);
  const timeval life = to_timeval(limits_.life);
  if (connection.deadline != nullptr) event_add(connection.deadline, &life);
  let_in_or_not();
  return socket;
}

void Connections::on_deadline(Connection& connection) {
  cut(connection.socket);
  event_add(connection.deadline, &kSoon);
  collect();
  let_in_or_not();
}

void Connections::collect() {
  for (auto i = open_.begin(); i != open_.end();) {
    // A connection without a descriptor has no callbacks yet either, but gets them before this runs.
    i = freed(i->socket) ? forget(i) : std::next(i);
  }
}

Connections::Iterator Connections::forget(Iterator connection) {
  if (connection->deadline != nullptr) event_free(connection->deadline);
  bufferevent_decref(connection->socket);
  return open_.erase(connection);
}

void Connections::starve() {
  const int code = errno;
  if (!std::exchange(starvation_logged_, true)) {
    log::warning("The health endpoint cannot accept a connection", {{"error", errno_text(code)}});
  }
  starved_ = true;
  let_in_or_not();
}

void Connections::let_in_or_not() {
  if (look_again_ == nullptr) return;  // detached
  const bool full = open_.size() >= limits_.open;
  for (evconnlistener* listener : listeners_) {
    if (full || starved_) {
      evconnlistener_disable(listener);
    } else {
      evconnlistener_enable(listener);
    }
  }
  if (full) cut(open_.front().socket);
  if (full || starved_) {
    event_add(look_again_, starved_ ? &kStarved : &kSoon);
  } else if (!open_.empty()) {
    event_add(look_again_, &kLinger);
  }
}

}  // namespace spiffe::health
