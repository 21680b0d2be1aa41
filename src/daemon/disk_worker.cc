#include "daemon/disk_worker.hh"

#include <future>
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

void DiskWorker::drain() {
  if (!thread_.running()) return;
  std::promise<void> drained;
  submit([&drained] { drained.set_value(); });
  drained.get_future().wait();
}

void DiskWorker::abandon() {
  if (!thread_.running()) return;
  abandoned_ = !thread_.join_within(std::chrono::milliseconds(0));
}

Result<std::shared_ptr<DiskWorker>> SharedDiskWorker::get() {
  if (auto present = present_.lock()) return present;
  auto made = DiskWorker::create();
  if (!made) return fail(made.error());
  std::shared_ptr<DiskWorker> worker(std::move(*made));
  present_ = worker;
  return worker;
}

}  // namespace spiffe::daemon
