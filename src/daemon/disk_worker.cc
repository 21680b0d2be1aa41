#include "daemon/disk_worker.hh"

namespace spiffe::daemon {

Result<std::unique_ptr<DiskWorker>> DiskWorker::create() {
  auto loop = Loop::create();
  if (!loop) return fail(context("disk worker", loop.error()));
  std::unique_ptr<DiskWorker> self(new DiskWorker);
  self->loop_ = std::move(*loop);
  self->thread_ = std::thread([raw = self->loop_.get()] { raw->run(); });
  return self;
}

DiskWorker::~DiskWorker() {
  if (!thread_.joinable()) {
    (void)loop_.release();  // the abandoned thread still uses it
    return;
  }
  loop_->post([raw = loop_.get()] { raw->stop(); });
  thread_.join();
}

void DiskWorker::abandon() {
  if (thread_.joinable()) thread_.detach();
}

}  // namespace spiffe::daemon
