// An address of bind(2) and connect(2).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace spiffe::health {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un path;
};

}  // namespace spiffe::health
