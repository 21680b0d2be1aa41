#include "cli/agent/watch_command.hh"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.hh"
#include "cli/agent/changes.hh"
#include "cli/agent/identity_text.hh"
#include "cli/agent/jwt_changes.hh"
#include "cli/agent/visit.hh"
#include "cli/text/exit.hh"
#include "cli/text/lifetime.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "workload/jwt_bundle_source.hh"
#include "workload/x509_source.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kWatchHelp = R"(Usage: spiffe-helper watch [flags]

Shows every update that the agent sends: for X.509 what changed since the last
one and whether it verifies, for JWT bundles which keys were added and removed,
and when and why the connection to the agent was lost. ^C ends it with exit
status 0. On a terminal the last line shows how long the certificate is valid.
Writes no files. If the agent serves only one of the two, only that is watched.

Flags:
  -agent-address ADDRESS
                        unix:///path or tcp://IP:port of the agent
  -config FILE          configuration with the address (default helper.conf)
  -timeout DURATION     longest wait for the first update (default 0: no limit)
  -output text|json     how to print (default text); json: a line for each event

Examples:
  spiffe-helper watch
  spiffe-helper watch -output json | jq -r .event
)";

constexpr std::size_t kBarWidth = 24;
// A loss of the JWT bundles waits this long for a loss of the X.509 updates, which has the same cause.
constexpr auto kSameLoss = std::chrono::seconds(1);

class Watcher {
 public:
  Watcher(const Arguments& arguments, Visit& visit)
      : json_(arguments.json),
        visit_(visit),
        terminal_(Terminal::of(STDOUT_FILENO)),
        jwt_loss_timer_(visit.loop(), [this] { report_jwt_loss(); }),
        source_(visit.loop(), visit.endpoint(), {{.selection = {}, .verify_chain = false}},
                {.on_judged = [this](std::size_t, const auto& update) { take(*update); },
                 .on_lost = [this](const workload::Lost& lost) { lose(lost); },
                 .on_restored = [this] { restored_ = true; }}),
        jwt_source_(
            visit.loop(), visit.endpoint(),
            {.on_update = [this](const identity::JwtBundlesMaterial& material) { take_jwt(material); },
             .on_lost = [this](const workload::Lost& lost) { lose_jwt(lost); },
             .on_restored = [] {}}) {
    visit.idle([this] { return bar(wall_now()); });
    struct stat info{};
    if (::fstat(STDOUT_FILENO, &info) != 0 || !S_ISFIFO(info.st_mode)) return;
    // The writing end of a pipe becomes readable only when the last reader has closed it.
    reader_.emplace(visit.loop(), STDOUT_FILENO, [this] {
      reader_.reset();
      visit_.end(cannot_write(EPIPE).error());
    });
  }

  int run() {
    source_.start();
    jwt_source_.start();
    return visit_.run();
  }

 private:
  void take(const workload::X509Update& update) {
    if (visit_.ended()) return;
    visit_.heard(kWhat);
    visit_.settled();
    const WallTime now = wall_now();
    X509View view = view_of(*update.material(), now);
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
    x509_lost_ = false;
    heard_x509();
    const Visit::Idle line = bar(now);
    visit_.line().draw(line.text, line.colour);
  }

  // X.509 is printed before JWT, so that the same agent always gives the same order.
  void heard_x509() {
    if (std::exchange(x509_known_, true) || !waiting_jwt_) return;
    take_jwt(*std::exchange(waiting_jwt_, std::nullopt));
  }

  void take_jwt(const identity::JwtBundlesMaterial& material) {
    if (visit_.ended()) return;
    if (!x509_known_ && !x509_refused_) {
      waiting_jwt_ = material;
      return;
    }
    if (!std::exchange(x509_known_, true)) report_refused(*x509_refused_);
    visit_.settled();
    jwt_loss_timer_.cancel();
    jwt_loss_.reset();
    const WallTime now = wall_now();
    const auto bundles = identity::JwtBundles::from(material, nullptr, nullptr);
    const std::string problem = bundles ? "" : bundles.error().message;
    const JwtChanges changes = bundles ? compare(jwt_, *bundles) : JwtChanges();
    ++jwt_count_;
    const bool was_lost = !std::exchange(reported_jwt_cause_, {}).empty();
    if (json_) {
      Json out = event(now, "jwt_update");
      put(out, "number", static_cast<long long>(jwt_count_));
      put_flag(out, "restored", was_lost);
      put(out, "problem", problem);
      out["changes"] = json_of(changes);
      out["bundles"] = json_of(bundles ? *bundles : jwt_);
      print(json_line(out));
    } else if (!problem.empty()) {
      print(headline(now, "JWT bundles: " + paint(terminal_, Colour::red, "bad: " + problem)));
    } else if (was_lost || !changes.empty()) {
      terminal_ = Terminal::of(STDOUT_FILENO);
      print(headline(now, std::string("JWT bundles") + (was_lost ? ", they are back" : "")) +
            text_of(changes, terminal_));
    }
    if (bundles) jwt_ = *bundles;
  }

  // If the agent does not serve JWT bundles, this is reported once and ends nothing, since X.509 may work.
  void lose_jwt(const workload::Lost& lost) {
    if (visit_.ended()) return;
    if (lost.fatal && lost.failure.kind == workload::FailureKind::unimplemented) {
      jwt_refused_ = true;
      if (x509_refused_) return visit_.lost(kWhat, *x509_refused_);
    }
    if (!lost.new_cause) return;
    if (json_) {
      reported_jwt_cause_ = lost.failure.cause;
      print(json_line(lost_json(lost, "jwt")));
      return;
    }
    jwt_loss_ = lost.failure;
    jwt_loss_timer_.after(kSameLoss);
  }

  void report_jwt_loss() {
    if (visit_.ended() || !jwt_loss_ || x509_lost_ || reported_jwt_cause_ == jwt_loss_->cause) return;
    reported_jwt_cause_ = jwt_loss_->cause;
    report_loss(*jwt_loss_, "no JWT bundles", false, wall_now());
  }

  void lose(const workload::Lost& lost) {
    if (visit_.ended()) return;
    x509_lost_ = true;
    // If the agent does not serve X.509, watch continues while it may serve JWT bundles.
    if (lost.fatal && lost.failure.kind == workload::FailureKind::unimplemented && !jwt_refused_) {
      if (!x509_refused_) x509_refused_ = lost;
      if (waiting_jwt_) take_jwt(*std::exchange(waiting_jwt_, std::nullopt));
      return;
    }
    if (lost.new_cause && !lost.fatal) {
      const WallTime now = wall_now();
      if (json_) {
        print(json_line(lost_json(lost, "x509")));
      } else if (count_ > 0) {
        const bool denied = lost.failure.kind == workload::FailureKind::no_identity;
        report_loss(lost.failure, denied ? "no identity any more" : "the agent was lost", true, now);
      }
    }
    visit_.lost(kWhat, lost);
  }

  void report_refused(const workload::Lost& lost) {
    if (json_) return print(json_line(lost_json(lost, "x509")));
    report_loss(lost.failure, "no X.509 updates", false, wall_now());
  }

  static Json lost_json(const workload::Lost& lost, const char* kind) {
    Json out = event(wall_now(), "lost");
    put(out, "kind", kind);
    put(out, "cause", lost.failure.cause);
    put(out, "hint", lost.failure.hint);
    put(out, "retry_in_ms", lost.retry_in.count());
    return out;
  }

  // `life`: adds how long the last certificate is still valid.
  void report_loss(const workload::Failure& failure, const char* head, bool life, WallTime now) {
    terminal_ = Terminal::of(STDOUT_FILENO);
    TextTable rows(std::min<std::size_t>(terminal_.width, 80), 2);
    rows.row("cause", failure.cause);
    if (!failure.hint.empty()) rows.row("hint", failure.hint);
    if (const auto* leaf = life ? first_leaf() : nullptr)
      rows.row("SVID", time_left(leaf->not_before(), leaf->not_after(), now));
    print(headline(now, paint(terminal_, Colour::red, head)) + rows.text());
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

  // The remaining share of the first SVID's lifetime; yellow in the last third, when a renewal is overdue.
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
  bool x509_known_ = false;  // an update came, or none will come
  bool x509_lost_ = false;
  std::optional<workload::Lost> x509_refused_;  // set if the agent does not serve it
  bool jwt_refused_ = false;                    // true if the agent does not serve it
  identity::JwtBundles jwt_;
  std::optional<identity::JwtBundlesMaterial> waiting_jwt_;  // until X.509 was printed
  std::size_t jwt_count_ = 0;
  std::optional<workload::Failure> jwt_loss_;
  std::string reported_jwt_cause_;  // "" if none was reported, or they are back
  Timer jwt_loss_timer_;
  std::optional<Watch> reader_;
  workload::X509Source source_;  // last members: they use those above
  workload::JwtBundleSource jwt_source_;
};

int watch(const Arguments& arguments) {
  auto visit = Visit::create(arguments, std::chrono::nanoseconds::zero(), kOk);
  if (!visit) return report(visit.error());
  return Watcher(arguments, **visit).run();
}

}  // namespace

constinit const Command kWatchCommand = {.name = "watch",
                                         .summary = "show every update and what changed",
                                         .help = kWatchHelp,
                                         .run = &watch,
                                         .prints_data = true,
                                         .ends_itself = true};

}  // namespace spiffe::cli
