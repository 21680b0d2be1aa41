#include "health/metrics.hh"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace spiffe::health {

namespace {

constexpr std::array<std::string_view, kUpdateResults> kUpdateWords = {"accepted", "refused", "not_yet_valid",
                                                                       "failed"};
constexpr std::array<std::string_view, kSignalResults> kSignalWords = {"sent", "withheld", "failed"};

std::int64_t seconds(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

class Page {
 public:
  // Begins a family; its samples follow. Names get the prefix spiffe_helper_.
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    put("# HELP spiffe_helper_{0} {2}\n# TYPE spiffe_helper_{0} {1}\n", name, type, help);
  }
  void sample(std::integral auto value) { put("spiffe_helper_{} {}\n", name_, value); }
  void sample(std::string_view label, std::string_view word, std::integral auto value) {
    begin(label, word);
    put("}} {}\n", value);
  }
  void sample(std::string_view label, std::string_view word, std::string_view label2, std::string_view word2,
              std::integral auto value) {
    begin(label, word);
    put(",{}=\"{}\"}} {}\n", label2, word2, value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }
  void begin(std::string_view label, std::string_view word) {
    put("spiffe_helper_{}{{{}=\"", name_, label);
    for (std::size_t plain = 0; !word.empty(); word.remove_prefix(plain + 1)) {
      plain = word.find_first_of("\\\"\n");
      text_ += word.substr(0, plain);
      if (plain == std::string_view::npos) break;
      text_ += '\\';
      text_ += word[plain] == '\n' ? 'n' : word[plain];
    }
    text_ += '"';
  }

  std::string_view name_;
  std::string text_;
};

// One sample for each configured kind.
template <class Value>
void by_kind(Page& page, const Status& status, Value value) {
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (status.updates[i]) page.sample("kind", identity::kKindWords[i], value(*status.updates[i]));
  }
}

void put_updates(Page& page, const Status& status) {
  page.family("updates_total", "counter", "Updates from the agent by kind and by what became of them.");
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (!status.updates[i]) continue;
    for (std::size_t j = 0; j < kUpdateResults; ++j) {
      page.sample("kind", identity::kKindWords[i], "result", kUpdateWords[j], status.updates[i]->results[j]);
    }
  }
  page.family("last_update_seconds", "gauge", "When the last good update came, in seconds since 1970.");
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (status.updates[i] && status.updates[i]->last) {
      page.sample("kind", identity::kKindWords[i], seconds(*status.updates[i]->last));
    }
  }
  page.family("stream_connected", "gauge", "1 while the agent answers.");
  by_kind(page, status, [](const Updates& u) { return u.stream_connected ? 1 : 0; });
  page.family("stream_reconnects_total", "counter", "Streams opened again after they ended.");
  by_kind(page, status, [](const Updates& u) { return u.stream_reconnects; });
  page.family("publications_total", "counter", "Publications that changed files.");
  by_kind(page, status, [](const Updates& u) { return u.publications; });
  page.family("write_errors_total", "counter", "Attempts to write files that failed.");
  by_kind(page, status, [](const Updates& u) { return u.write_failures; });
}

// The lifetimes of all identities. If several have the same, the one that expires first.
Lifetimes all_lifetimes(const Status& status) {
  Lifetimes all = status;
  const auto add = [](auto& to, const auto& from) {
    for (const auto& [name, time] : from) {
      const auto [at, first] = to.emplace(name, time);
      if (!first) at->second = std::min(at->second, time);
    }
  };
  for (const auto& [directory, identity] : status.x509_svids) {
    add(all.svid_not_after, identity->svid_not_after);
    add(all.bundle_not_after, identity->bundle_not_after);
  }
  return all;
}

// The sum over all identities.
Program all_programs(const Status& status) {
  Program all = status;
  for (const auto& [directory, identity] : status.x509_svids) {
    for (std::size_t i = 0; i < kSignalResults; ++i) {
      all.signals[i] += identity->signals[i];
      all.pid_file.signals[i] += identity->pid_file.signals[i];
    }
    all.pid_file.configured |= identity->pid_file.configured;
    for (std::size_t i = 0; i < kHooks; ++i) {
      const Hook& hook = identity->hooks[i];
      all.hooks[i].configured |= hook.configured;
      all.hooks[i].succeeded += hook.succeeded;
      all.hooks[i].failed += hook.failed;
      if (all.hooks[i].failure.empty()) all.hooks[i].failure = hook.failure;
    }
  }
  return all;
}

void put_identities(Page& page, const Status& status) {
  if (status.x509_svids.empty()) return;
  page.family("x509_svid_written", "gauge",
              "1 while the agent offers this entry of x509_svids, and it is written.");
  for (const auto& [directory, identity] : status.x509_svids) {
    const bool written = identity->output.state == WriteState::written && !identity->not_offered;
    page.sample("dir", directory, written ? 1 : 0);
  }
}

void put_expiry(Page& page, const Status& status) {
  page.family("svid_not_after_seconds", "gauge",
              "When the X.509-SVID on disk expires, in seconds since 1970.");
  const Lifetimes lifetimes = all_lifetimes(status);
  for (const auto& [id, time] : lifetimes.svid_not_after) page.sample("spiffe_id", id, seconds(time));
  page.family("jwt_svid_not_after_seconds", "gauge",
              "When the JWT-SVID in this file expires, in seconds since 1970.");
  for (const auto& [path, output] : status.jwt) {
    if (output.expires) page.sample("file", path, seconds(*output.expires));
  }
  page.family("bundle_not_after_seconds", "gauge",
              "When the authority of the bundle that expires first does, in seconds since 1970.");
  for (const auto& [domain, time] : lifetimes.bundle_not_after) {
    page.sample("trust_domain", domain, seconds(time));
  }
  page.family("federated_bundles_refused_total", "counter", "Federated bundles that could not be read.");
  page.sample(status.federated_bundles_refused);
  page.family("identity_denied", "gauge", "1 while the agent denies this workload an identity.");
  page.sample(status.identity_denied ? 1 : 0);
}

void put_child(Page& page, const Program& status) {
  if (status.child.configured) {
    page.family("child_up", "gauge", "1 while the child runs.");
    page.sample(status.child.up ? 1 : 0);
    page.family("child_starts_total", "counter", "Starts of the child.");
    page.sample(status.child.starts);
    page.family("child_restarts_total", "counter", "Starts of the child after the first.");
    page.sample(status.child.starts > 0 ? status.child.starts - 1 : 0);
    page.family("child_exits_total", "counter", "Ends of the child.");
    page.sample(status.child.exits);
  }
  page.family("signals_total", "counter", "Signals that announce a rotation.");
  for (std::size_t i = 0; i < kSignalResults; ++i) {
    page.sample("result", kSignalWords[i], status.signals[i]);
  }
  if (status.pid_file.configured) {
    page.family("pid_file_signals_total", "counter", "Those of them for the process of the PID file.");
    for (const SignalResult result : {SignalResult::sent, SignalResult::failed}) {
      const auto i = static_cast<std::size_t>(result);
      page.sample("result", kSignalWords[i], status.pid_file.signals[i]);
    }
  }
}

void put_hooks(Page& page, const Program& status) {
  if (std::ranges::none_of(status.hooks, &Hook::configured)) return;
  page.family("hook_runs_total", "counter", "Runs of prepare_cmd and renew_cmd.");
  for (std::size_t i = 0; i < kHooks; ++i) {
    if (!status.hooks[i].configured) continue;
    page.sample("hook", kHookWords[i], "result", "succeeded", status.hooks[i].succeeded);
    page.sample("hook", kHookWords[i], "result", "failed", status.hooks[i].failed);
  }
  page.family("hook_failing", "gauge", "1 while the last run failed.");
  for (std::size_t i = 0; i < kHooks; ++i) {
    if (status.hooks[i].configured) {
      page.sample("hook", kHookWords[i], status.hooks[i].failure.empty() ? 0 : 1);
    }
  }
}

}  // namespace

std::string metrics(const Status& status) {
  Page page;
  page.family("build_info", "gauge", "Always 1; the label is the version.");
  page.sample("version", status.version, 1);
  put_expiry(page, status);
  put_updates(page, status);
  put_identities(page, status);
  const Program programs = all_programs(status);
  put_child(page, programs);
  put_hooks(page, programs);
  return page.take();
}

}  // namespace spiffe::health
