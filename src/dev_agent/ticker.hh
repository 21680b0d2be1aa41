// Runs functions later, one after the other, on its own thread.
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

  // Any thread. After stop(), `task` runs immediately on the caller's thread, since another thread may
  // wait for it.
  void after(std::chrono::nanoseconds delay, std::function<void()> task);
  // Runs all remaining tasks now and ends the thread.
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
