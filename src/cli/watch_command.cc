#include "cli/watch_command.hh"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.hh"
#include "cli/changes.hh"
#include "cli/exit.hh"
#include "cli/identity_text.hh"
#include "cli/lifetime.hh"
#include "cli/stdout.hh"
#include "cli/visit.hh"
#include "cli/voice.hh"
#include "workload/x509_source.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kHelp = R"(Usage: spiffe-helper watch [flags]

Shows every X.509 update that the agent sends, as it comes: what changed since
the last one, and whether it verifies; and when and why the agent was lost. It
ends with ^C, exit status 0. On a terminal its last line says how long the
certificate is good for. Writes no files.

Flags:
  -agent-address ADDRESS
                        unix:///path or tcp://IP:port of the agent
  -config FILE          where its address may stand too (default helper.conf)
  -timeout DURATION     longest wait for the first update (default 0: for ever)
  -output text|json     how to print (default text); json is a line an event

Examples:
  spiffe-helper watch
  spiffe-helper watch -output json | jq -r .event
)";

constexpr std::size_t kBarWidth = 24;

class Watcher {
 public:
  Watcher(const Arguments& arguments, Visit& visit)
      : json_(arguments.json),
        visit_(visit),
        terminal_(Terminal::of(STDOUT_FILENO)),
        source_(visit.loop(), visit.endpoint(), {.selection = {}, .verify_chain = false},
                {.on_update = [this](const std::shared_ptr<workload::X509Update>& update) { take(*update); },
                 .on_lost = [this](const workload::Lost& lost) { lose(lost); },
                 .on_restored = [this] { restored_ = true; }}) {
    visit.idle([this] { return bar(wall_now()); });
    struct stat info{};
    if (::fstat(STDOUT_FILENO, &info) != 0 || !S_ISFIFO(info.st_mode)) return;
    // The writing end of a pipe is readable only in that its last reader has gone.
    reader_.emplace(visit.loop(), STDOUT_FILENO, [this] {
      reader_.reset();
      visit_.end(cannot_write(EPIPE).error());
    });
  }

  int run() {
    source_.start();
    return visit_.run();
  }

 private:
  void take(workload::X509Update& update) {
    if (visit_.ended()) return;
    visit_.heard(kWhat);
    visit_.settled();
    static_cast<void>(update.verdict());  // only then the material is ours
    const WallTime now = wall_now();
    X509View view = view_of(update.take_material(), now);
    const Changes changes = compare(view_, view);
    ++count_;
    if (json_) {
      Json out = event(now, "update");
      put(out, "number", static_cast<long long>(count_));
      put_flag(out, "restored", restored_);
      out["changes"] = json_of(changes, now);
      Json& svids = put_list(out, "svids");
      for (const SvidView& svid : view.svids) svids.push_back(json_of(svid, now));
      print(json_line(out));
    } else {
      terminal_ = Terminal::of(STDOUT_FILENO);
      std::string head = "update " + std::to_string(count_);
      if (at_) head += ", " + human(now - *at_) + " after the last";
      if (restored_ && at_) head += ", the agent is back";
      if (changes.none()) head += ": nothing changed";
      if (view.svids.empty()) head += ": no SVID in it";
      print(headline(now, head) + text_of(changes, now, terminal_));
    }
    restored_ = false;
    at_ = now;
    view_ = std::move(view);
    const Visit::Idle line = bar(now);
    visit_.line().draw(line.text, line.colour);
  }

  void lose(const workload::Lost& lost) {
    if (visit_.ended()) return;
    if (lost.new_cause && !lost.fatal) {
      const WallTime now = wall_now();
      if (json_) {
        Json out = event(now, "lost");
        put(out, "cause", lost.failure.cause);
        put(out, "hint", lost.failure.hint);
        put(out, "retry_in_ms", lost.retry_in.count());
        print(json_line(out));
      } else if (count_ > 0) {
        tell_loss(lost.failure, now);
      }
    }
    visit_.lost(kWhat, lost);
  }

  // With how long the last certificate will do without it.
  void tell_loss(const workload::Failure& failure, WallTime now) {
    terminal_ = Terminal::of(STDOUT_FILENO);
    const bool denied = failure.kind == workload::FailureKind::no_identity;
    TextTable rows(std::min<std::size_t>(terminal_.width, 80), 2);
    rows.row("cause", failure.cause);
    if (!failure.hint.empty()) rows.row("hint", failure.hint);
    if (const auto* leaf = first_leaf())
      rows.row("SVID", time_left(leaf->not_before(), leaf->not_after(), now));
    print(
        headline(now, paint(terminal_, Colour::red, denied ? "no identity any more" : "the agent was lost")) +
        rows.text());
  }

  [[nodiscard]] const identity::Certificate* first_leaf() const {
    const bool none = view_.svids.empty() || view_.svids[0].chain.empty();
    return none ? nullptr : &view_.svids[0].chain[0];
  }

  static Json event(WallTime now, std::string_view name) {
    Json out;
    put(out, "time", rfc3339(now));
    put(out, "event", name);
    return out;
  }

  [[nodiscard]] std::string headline(WallTime now, const std::string& text) const {
    return paint(terminal_, Colour::dim, rfc3339(now)) + "  " + text + "\n";
  }

  // How much of the life of the first SVID is left; yellow in its last third, when it is overdue for renewal.
  [[nodiscard]] Visit::Idle bar(WallTime now) const {
    const identity::Certificate* leaf = first_leaf();
    if (leaf == nullptr) return {};
    const auto life = std::chrono::duration<double>(leaf->not_after() - leaf->not_before()).count();
    const auto left = std::chrono::duration<double>(leaf->not_after() - now).count();
    const double share = life > 0 ? std::clamp(left / life, 0.0, 1.0) : 0.0;
    const auto full = static_cast<std::size_t>(std::lround(share * kBarWidth));
    return {"[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "] " +
                time_left(leaf->not_before(), leaf->not_after(), now),
            left <= 0         ? Colour::red
            : share < 1.0 / 3 ? Colour::yellow
                              : Colour::green};
  }

  void print(const std::string& text) {
    visit_.line().clear();
    if (auto written = write_stdout(text); !written) visit_.end(written.error());
  }

  static constexpr std::string_view kWhat = "the SVID";

  bool json_;
  Visit& visit_;
  Terminal terminal_;
  X509View view_;
  std::size_t count_ = 0;
  std::optional<WallTime> at_;  // of the last update
  bool restored_ = false;
  std::optional<Watch> reader_;
  workload::X509Source source_;  // last: uses what stands above
};

int watch(const Arguments& arguments) {
  auto visit = Visit::create(arguments, std::chrono::nanoseconds::zero(), kOk);
  if (!visit) return report(visit.error());
  return Watcher(arguments, **visit).run();
}

}  // namespace

constinit const Command kWatchCommand = {.name = "watch",
                                         .summary = "show every update and what changed",
                                         .help = kHelp,
                                         .run = &watch,
                                         .prints_data = true,
                                         .ends_itself = true};

}  // namespace spiffe::cli
