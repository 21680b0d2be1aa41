// Runs functions later, one after the other, on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace spiffe::dev_agent {

class Ticker {
 public:
  Ticker();
  ~Ticker() { stop(); }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  // Any thread. After stop() `task` runs at once, in the caller's thread: somebody may wait for it.
  void after(std::chrono::nanoseconds delay, std::function<void()> task);
  // Runs what is still due, at once, and ends the thread.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace spiffe::dev_agent
