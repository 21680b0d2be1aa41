// A thread for jobs that may block on a disk, so that a disk that hangs does not keep the loop from reaping
// children and forwarding signals.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hh"
#include "base/thread.hh"

namespace spiffe::daemon {

// One thread that runs jobs in order. Jobs report back with Loop::post() of the main loop.
class DiskWorker {
 public:
  // Fails if no descriptor or thread is available.
  static Result<std::unique_ptr<DiskWorker>> create();
  // Lets the running job end, then joins. A job that hangs in the kernel blocks the destructor: see
  // abandon().
  ~DiskWorker();

  // `job` must not throw.
  void submit(std::function<void()> job) { loop_->post(std::move(job)); }
  // Waits for all jobs submitted so far.
  void drain();
  // Detaches the thread, so that the process can exit while a job hangs. Later calls do not wait.
  void abandon();

 private:
  DiskWorker() = default;
  std::unique_ptr<Loop> loop_;
  bool abandoned_ = false;
  Thread thread_;
};

// One DiskWorker shared by all users that need one at the same time; destroyed with its last user. Loop
// thread only.
class SharedDiskWorker {
 public:
  Result<std::shared_ptr<DiskWorker>> get();

 private:
  std::weak_ptr<DiskWorker> present_;
};

}  // namespace spiffe::daemon
