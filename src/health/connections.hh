// Limits the number of an evhttp server's connections, and how long they live.
//
// evhttp of libevent 2.1 has neither limit: its timeouts restart with every byte, and it accepts as long as
// there are descriptors. A deliberately slow client must not delay other clients or a rotation.
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
  // At this number, the connection that has been open longest is cut, and accepting pauses until it is gone.
  std::size_t open = 32;
  // From accept to the last byte of the answer.
  std::chrono::microseconds life = std::chrono::seconds(5);
};

// Loop thread only.
//
// evhttp does not report when it frees a connection. So we hold one more reference to each bufferevent: when
// it has lost its callbacks, evhttp has released it, and the descriptor can be closed. This is checked when a
// connection is accepted, when its time is up, and every 20 ms while any is open.
class Connections {
 public:
  explicit Connections(ConnectionLimits limits) : limits_(limits) {}
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;
  // To be destroyed after evhttp_free(), before the loop.
  ~Connections();

  // To be called before anything is accepted: tracks every connection of `http`.
  void attach(evhttp* http, event_base* base);
  // Accepts on `listener`, which evhttp owns, while there is room.
  void admit(evconnlistener* listener);
  // To be called before evhttp and its listeners are freed.
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
  event* look_again_ = nullptr;  // timer: checks for room
  bool starved_ = false;         // accept(2) recently found no free descriptor
  bool starvation_logged_ = false;
};

}  // namespace spiffe::health
