// What is logged of an error that lasts: its beginning, every other cause, a reminder every five minutes, and
// its end. Pure: time comes in as an argument. TroubleLog (trouble_log.hh) adds the log and the timer.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.hh"

namespace spiffe {

class Trouble {
 public:
  static constexpr std::chrono::minutes kRemindEvery{5};

  enum class Say {
    nothing,  // it is known, and was logged not long ago
    begins,
    changes,  // the same thing fails, for another reason
    lasts,    // five minutes after the last line
  };

  // Begins with its first failure.
  explicit Trouble(BootTime now) : since_(now) {}

  // It failed (again) because of `cause`, which is compared with the one before.
  Say failed(std::string_view cause, BootTime now);
  // Nobody has tried since: is a reminder due?
  Say look(BootTime now);

  // Speaks for `other` from now on, which has the same cause.
  void take_over(const Trouble& other);

  // When look() says something again.
  [[nodiscard]] BootTime due() const { return last_line_ + kRemindEvery; }
  [[nodiscard]] std::chrono::nanoseconds lasted(BootTime now) const { return now - since_; }
  [[nodiscard]] const std::string& cause() const { return cause_; }

 private:
  BootTime since_;
  BootTime last_line_{};
  std::string cause_;
  bool begun_ = false;
};

}  // namespace spiffe
