// Facts found by a publication that operators should know; the daemon logs them.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace spiffe::output {

struct Notice {
  bool warning = true;  // false: information
  std::string event;    // a stable word: "insecure_dir", "owner_kept", "link_replaced", "written_in_place" …
  std::string path;
  std::string message;  // one sentence without the path, lower-case, no full stop
};

// Collects notices. Each pair of event and path is reported once in the life of a publisher.
class Notices {
 public:
  void warn(std::string event, std::string path, std::string message) {
    add({true, std::move(event), std::move(path), std::move(message)});
  }
  void inform(std::string event, std::string path, std::string message) {
    add({false, std::move(event), std::move(path), std::move(message)});
  }
  [[nodiscard]] std::vector<Notice> take() { return std::exchange(pending_, {}); }

 private:
  void add(Notice notice) {
    if (reported_.insert(notice.event + '\n' + notice.path).second) pending_.push_back(std::move(notice));
  }
  std::set<std::string> reported_;
  std::vector<Notice> pending_;
};

}  // namespace spiffe::output
