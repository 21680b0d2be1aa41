// Client of a health endpoint: one request over plain sockets, limited in time and size.
#pragma once

#include <chrono>
#include <string>

#include "base/endpoint.hh"
#include "base/result.hh"

namespace spiffe::health {

struct Reply {
  int code = 0;
  std::string reason;  // "Service Unavailable"
  std::string body;    // cut after 64 KiB
};

// Whether a server listens: connects, and sends nothing. Errors as those of ask(); `sys` is errno.
[[nodiscard]] Result<void> probe(const Endpoint& endpoint, std::chrono::nanoseconds limit);

// GET `path`. `limit` is for the whole exchange; 0 = no limit. Blocks. Kinds of error: unreachable if no
// server listens, timed_out, failed if the answer is not HTTP.
[[nodiscard]] Result<Reply> ask(const Endpoint& endpoint, const std::string& path,
                                std::chrono::nanoseconds limit);

}  // namespace spiffe::health
