#include "dev_agent/stream.hh"

#include "dev_agent/hub.hh"

namespace spiffe::dev_agent {

namespace {

// A client that is further behind in a burst gets only the newest state.
constexpr std::size_t kLongestQueue = 1024;

}  // namespace

bool Stream::open() const {
  const std::lock_guard lock(mutex_);
  return !final_;
}

void Stream::offer(std::shared_ptr<const State> state, bool every) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t version = state->part(topic_).version;
  if (final_ || version <= offered_version_) return;
  offered_version_ = version;
  if (!current_) {
    write(std::move(state));
    return;
  }
  if (!every || waiting_.size() >= kLongestQueue) {
    hub_.count_skipped(waiting_.size());
    waiting_.clear();
  }
  waiting_.push_back(std::move(state));
}

void Stream::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (final_) return;
  final_ = status;
  waiting_.clear();
  if (!current_) Finish(status);
}

void Stream::write(std::shared_ptr<const State> state) {
  current_ = std::move(state);
  if (topic_ == Topic::x509_svids) hub_.about_to_send(*current_);
  StartWrite(&current_->part(topic_).message);
}

void Stream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  current_.reset();
  if (!ok && !final_) final_ = grpc::Status::CANCELLED;
  if (final_) {
    Finish(*final_);
  } else if (!waiting_.empty()) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    write(std::move(next));
  }
}

void Stream::OnCancel() {
  end(grpc::Status::CANCELLED);
}

void Stream::OnDone() {
  hub_.remove(this);  // *this is destroyed
}

}  // namespace spiffe::dev_agent
