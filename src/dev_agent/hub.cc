#include "dev_agent/hub.hh"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace spiffe::dev_agent {

namespace {

using namespace std::chrono_literals;

// Streams end on threads of gRPC, without a notification: a wait checks this often.
constexpr auto kLook = 5ms;

bool same(const grpc::Slice& a, const grpc::Slice& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.begin(), b.begin(), a.size()) == 0);
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* Hub::add(Topic topic) {
  auto stream = std::make_shared<Stream>(*this, topic);
  const std::lock_guard lock(mutex_);
  streams_.emplace(stream.get(), stream);
  if (refusal_) {
    stream->end(*refusal_);
  } else if (current_ && delay_ == 0ms) {
    stream->offer(current_, false);
  } else if (current_) {
    ticker_.after(delay_, [state = current_, late = std::weak_ptr(stream)] {
      if (const auto alive = late.lock()) alive->offer(state, false);
    });
  }
  changed_.notify_all();
  return stream.get();
}

void Hub::remove(const Stream* stream) {
  std::shared_ptr<Stream> last;  // dropped after the lock
  const std::lock_guard lock(mutex_);
  if (const auto found = streams_.find(stream); found != streams_.end()) {
    last = std::move(found->second);
    streams_.erase(found);
  }
  changed_.notify_all();
}

std::uint64_t Hub::publish(std::shared_ptr<State> state, bool every) {
  std::unique_lock lock(mutex_);
  set_versions(*state);
  current_ = state;
  const std::uint64_t seq = seq_;
  const auto delay = delay_;
  if (delay == 0ms) {
    deliver(current_, every);
    return seq;
  }
  lock.unlock();
  ticker_.after(delay, [this, every, late = std::move(state)] {
    const std::lock_guard delivery(mutex_);
    deliver(late, every);
  });
  return seq;
}

std::uint64_t Hub::publish_once(const std::shared_ptr<State>& state) {
  const std::lock_guard lock(mutex_);
  set_versions(*state);
  deliver(state, false);
  return seq_;
}

void Hub::set_versions(State& state) {
  state.seq = ++seq_;
  for (std::size_t i = 0; i < kTopics; ++i) {
    const bool news = i == static_cast<std::size_t>(Topic::x509_svids) || !current_ ||
                      !same(state.parts[i].bytes, current_->parts[i].bytes);
    state.parts[i].version = news ? seq_ : current_->parts[i].version;
  }
}

void Hub::deliver(const std::shared_ptr<const State>& state, bool every) {
  for (const auto& [key, stream] : streams_) stream->offer(state, every);
}

void Hub::refuse(std::optional<grpc::Status> status) {
  {
    const std::lock_guard lock(mutex_);
    refusal_ = status;
  }
  if (status) end_all(*status);
}

std::optional<grpc::Status> Hub::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

void Hub::end_all(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, stream] : streams_) stream->end(status);
}

void Hub::set_delay(std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  delay_ = delay;
}

std::chrono::milliseconds Hub::delay() const {
  const std::lock_guard lock(mutex_);
  return delay_;
}

bool Hub::wait_streams(std::size_t count, std::chrono::nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::size_t open = count_open(Topic::x509_svids);
    if (count == 0 ? open == 0 : open >= count) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    changed_.wait_for(lock, kLook);
  }
  return false;
}

std::size_t Hub::open_streams(Topic topic) const {
  const std::lock_guard lock(mutex_);
  return count_open(topic);
}

std::size_t Hub::count_open(Topic topic) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      streams_, [&](const auto& entry) { return entry.second->topic() == topic && entry.second->open(); }));
}

void Hub::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Hub::about_to_send(const State& state) {
  ++sent_;
  if (!send_log_) return;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::string line =
      fmt::format("{} {} {}\n", state.seq, now.tv_sec * 1'000'000'000LL + now.tv_nsec, state.serial);
  // Errors are ignored: the reader notices missing lines, and the streams must go on.
  static_cast<void>(::write(send_log_.get(), line.data(), line.size()) < 0);
}

std::uint64_t Hub::seq() const {
  const std::lock_guard lock(mutex_);
  return seq_;
}

std::string Hub::serial() const {
  const std::lock_guard lock(mutex_);
  return current_ ? current_->serial : "";
}

}  // namespace spiffe::dev_agent
