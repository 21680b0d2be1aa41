// The connections of an evhttp server, bounded in number and in life.
//
// evhttp of libevent 2.1 knows neither: its timeouts begin anew with every byte, and it accepts for as long
// as there are descriptors. A client that is slow on purpose must not keep others, or a rotation, waiting.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>

struct bufferevent;
struct event;
struct event_base;
struct evhttp;
struct evconnlistener;

namespace spiffe::health {

struct ConnectionLimits {
  // With so many open the one that is open for longest is cut off, and accepting waits until it is gone.
  std::size_t open = 32;
  // From accept to the last byte of the answer.
  std::chrono::microseconds life = std::chrono::seconds(5);
};

// Loop thread only.
//
// evhttp does not say when it frees a connection. So each bufferevent is held by one reference more, and the
// callbacks it has lost tell that evhttp is done with it and the descriptor is to be closed: looked at when
// one is accepted, when its time is up, and every 20 ms while any is open.
class Connections {
 public:
  explicit Connections(ConnectionLimits limits) : limits_(limits) {}
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;
  // After evhttp_free(), before the loop goes.
  ~Connections();

  // Before anything is accepted: makes every connection of `http` one of ours.
  void attach(evhttp* http, event_base* base);
  // Accepts on `listener`, which evhttp owns, as long as there is room.
  void admit(evconnlistener* listener);
  // evhttp and its listeners are about to go.
  void detach();

  [[nodiscard]] std::size_t count();

 private:
  struct Connection {
    Connections* owner;
    bufferevent* socket;
    event* deadline;
  };
  using Iterator = std::list<Connection>::iterator;

  bufferevent* open(event_base* base);
  void on_deadline(Connection& connection);
  void collect();
  Iterator forget(Iterator connection);
  void starve();
  void let_in_or_not();

  const ConnectionLimits limits_;
  std::list<Connection> open_;  // the oldest first
  std::list<evconnlistener*> listeners_;
  event* look_again_ = nullptr;  // timer: is there room?
  bool starved_ = false;         // accept(2) found no descriptor free a moment ago
  bool starvation_told_ = false;
};

}  // namespace spiffe::health
