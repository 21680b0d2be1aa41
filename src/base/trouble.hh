// Decides what to log of an error that lasts: its beginning, each change of its cause, a reminder every five
// minutes, and its end. Pure: time is an argument. TroubleLog (trouble_log.hh) adds the log and the timer.
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
    nothing,  // known, and logged not long ago
    begins,
    changes,  // the same operation fails for another reason
    lasts,    // five minutes after the last line
  };

  // Starts with the first failure.
  explicit Trouble(BootTime now) : since_(now) {}

  // Records a failure with `cause`, which is compared with the previous one.
  Say failed(std::string_view cause, BootTime now);
  // Between attempts: whether a reminder is due.
  Say look(BootTime now);

  // From now on this entry reports for `other`, which has the same cause.
  void take_over(const Trouble& other);

  // When look() returns a reminder again.
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
