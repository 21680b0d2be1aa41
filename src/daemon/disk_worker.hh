// A thread for jobs that may block on a disk: a dead disk must not keep the loop from reaping and forwarding.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hh"
#include "base/thread.hh"

namespace spiffe::daemon {

// One thread that runs jobs in order. Jobs report back with Loop::post() of the main loop.
class DiskWorker {
 public:
  // Errors: there is no descriptor or thread to be had now.
  static Result<std::unique_ptr<DiskWorker>> create();
  // Lets the running job end, then joins. A job that hangs in the kernel hangs the destructor: see abandon().
  ~DiskWorker();

  // No exception may leave `job`.
  void submit(std::function<void()> job) { loop_->post(std::move(job)); }
  // Waits for the jobs so far.
  void drain();
  // Gives the thread up: for an exit while a job hangs. Nothing is waited for after it.
  void abandon();

 private:
  DiskWorker() = default;
  std::unique_ptr<Loop> loop_;
  bool abandoned_ = false;
  Thread thread_;
};

// One DiskWorker for all who need one at a time; it ends with the last of them. Loop thread only.
class SharedDiskWorker {
 public:
  Result<std::shared_ptr<DiskWorker>> get();

 private:
  std::weak_ptr<DiskWorker> present_;
};

}  // namespace spiffe::daemon
