// Processes that nobody else waits for: their parents ended before them, and the kernel gave them to us, as
// PID 1 of a container or as a subreaper.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/loop.hh"
#include "base/result.hh"

namespace spiffe::process {

// Reaps every child of this process but the claimed ones, which it leaves to their owners. Loop thread, which
// is the only one that may start processes: what it starts is claimed before the loop runs again. Outlives
// every claim.
class Reaper {
 public:
  // None where nothing is to be reaped here: this process is not PID 1 and `subreaper` is false. Otherwise
  // with what there is already being reaped.
  static Result<std::unique_ptr<Reaper>> create(Loop& loop, bool subreaper);

  // While it lives, this pid is its owner's to reap.
  class Claim {
   public:
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&&) = delete;
    ~Claim();

    // The child has ended, and stays unreaped as long as this claim lives: it hides nobody.
    void hold();

   private:
    friend class Reaper;
    Claim(Reaper& reaper, pid_t pid, std::uint64_t number) : reaper_(&reaper), pid_(pid), number_(number) {}
    Reaper* reaper_;
    pid_t pid_;
    std::uint64_t number_;
  };

  // `on_ended` is called when the child is found to have ended, and must reap it: as long as it is there, it
  // hides others. One that is not reaped then is treated as an orphan. It may drop the claim and make others.
  [[nodiscard]] Claim claim(pid_t pid, std::function<void()> on_ended);

  // Tell of every SIGCHLD. Of many that ended in a moment the kernel sends one.
  void child_changed();

  // For PID 1, when the claimed children are gone: TERM to all other processes, after kGrace KILL, and
  // `on_done` when none is left or nothing more can be done; where this is not PID 1, `on_done` at once. It
  // may be called before this returns, and must not destroy this. Once.
  void end_others(std::function<void()> on_done);

  static constexpr std::chrono::seconds kGrace{2};
  static constexpr std::chrono::seconds kKillPatience{1};

 private:
  struct Entry {
    std::uint64_t number = 0;  // tells a claim from a later one of the same pid
    std::function<void()> on_ended;
    bool held = false;
  };

  Reaper(Loop& loop, bool init);
  void reap();
  // False where nothing has ended.
  bool reap_one();
  void reap_beside_held();
  void take(pid_t pid);
  void go_on_ending();

  const bool init_;  // PID 1
  std::map<pid_t, Entry> claims_;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_told_ = 0;  // the claim whose owner was called last, in this turn
  Timer more_;                   // to be reaped, after others have had their turn

  std::function<void()> on_done_;  // while the others are being ended
  BootTime deadline_;
  bool killed_ = false;
  Timer poll_;
};

}  // namespace spiffe::process
