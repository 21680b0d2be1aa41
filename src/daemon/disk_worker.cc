#include "daemon/disk_worker.hh"

#include <utility>

namespace spiffe::daemon {

Result<std::unique_ptr<DiskWorker>> DiskWorker::create() {
  auto loop = Loop::create();
  if (!loop) return fail(context("disk worker", loop.error()));
  std::unique_ptr<DiskWorker> self(new DiskWorker);
  self->loop_ = std::move(*loop);
  auto thread = Thread::start([raw = self->loop_.get()] { raw->run(); });
  if (!thread) return fail(context("disk worker", thread.error()));
  self->thread_ = std::move(*thread);
  return self;
}

DiskWorker::~DiskWorker() {
  if (!thread_.running()) {
    if (abandoned_) (void)loop_.release();  // its thread still uses it
    return;
  }
  loop_->post([raw = loop_.get()] { raw->stop(); });
  thread_.join();
}

void DiskWorker::abandon() {
  abandoned_ = !thread_.join_within(std::chrono::milliseconds(0));
}

}  // namespace spiffe::daemon
