// Reaps orphans: their parents ended before them, and the kernel gave them to us, as PID 1 of a container or
// as a subreaper.
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

// Reaps every child of this process except the claimed ones, which their owners reap. Loop thread, and only
// this thread may start processes: a new child is claimed before the loop runs again. Must outlive every
// claim.
class Reaper {
 public:
  // Null if there is nothing to reap here: this process is not PID 1 and `subreaper` is false. Otherwise it
  // starts reaping existing children.
  static Result<std::unique_ptr<Reaper>> create(Loop& loop, bool subreaper);

  // While this object exists, its owner reaps this pid.
  class Claim {
   public:
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&&) = delete;
    ~Claim();

    // The child has ended and stays unreaped while this claim exists: the reaper looks for others beside it.
    void hold();

   private:
    friend class Reaper;
    Claim(Reaper& reaper, pid_t pid, std::uint64_t number) : reaper_(&reaper), pid_(pid), number_(number) {}
    Reaper* reaper_;
    pid_t pid_;
    std::uint64_t number_;
  };

  // `on_ended` is called when the child has ended, and must reap it, because an unreaped child hides others
  // from waitid(). A child that is not reaped then is treated as an orphan. It may drop the claim and make
  // others.
  [[nodiscard]] Claim claim(pid_t pid, std::function<void()> on_ended);

  // Call it at every SIGCHLD. If many children end at the same time, the kernel sends one signal.
  void child_changed();

  // For PID 1, when the claimed children have ended: sends TERM to all other processes, KILL after kGrace,
  // and calls `on_done` when none is left or nothing more can be done. If this is not PID 1, calls `on_done`
  // at once. `on_done` may be called before this returns, and must not destroy this object. Call it once.
  void end_others(std::function<void()> on_done);

  static constexpr std::chrono::seconds kGrace{2};
  static constexpr std::chrono::seconds kKillPatience{1};

 private:
  struct Entry {
    std::uint64_t number = 0;  // distinguishes a claim from a later one of the same pid
    std::function<void()> on_ended;
    bool held = false;
  };

  Reaper(Loop& loop, bool init);
  void reap();
  // Returns false if no child has ended.
  bool reap_one();
  void reap_beside_held();
  void take(pid_t pid);
  void go_on_ending();

  const bool init_;  // this process is PID 1
  std::map<pid_t, Entry> claims_;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_called_ = 0;  // the claim whose owner was called last in this turn
  Timer more_;                     // continues reaping after other events had their turn

  std::function<void()> on_done_;  // set while the others are being ended
  BootTime deadline_;
  bool killed_ = false;
  Timer poll_;
};

}  // namespace spiffe::process
