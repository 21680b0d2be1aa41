#include "dev_agent/commands.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/text.hh"

namespace spiffe::dev_agent {

namespace {

using namespace std::chrono_literals;

constexpr auto kStandardWait = 10s;

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return out;
    const std::size_t end = std::min(text.find(' ', start), text.size());
    out.push_back(text.substr(start, end - start));
    text.remove_prefix(end);
  }
}

template <class Number>
Result<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  return fail(ErrorKind::usage, quote(text) + " is not a number");
}

Result<std::string> seq(const Result<Agent::Pushed>& pushed) {
  if (!pushed) return fail(pushed.error());
  return fmt::format("seq={} serial={}", pushed->seq, pushed->serial);
}

Result<std::string> done(const Result<>& result) {
  if (!result) return fail(result.error());
  return "";
}

Result<std::string> rotate(Agent& agent, std::string_view) {
  return seq(agent.rotate());
}

Result<std::string> resend(Agent& agent, std::string_view) {
  return seq(agent.resend());
}

Result<std::string> rotate_authority(Agent& agent, std::string_view) {
  return seq(agent.rotate_authority());
}

Result<std::string> rotate_jwt(Agent& agent, std::string_view) {
  return seq(agent.rotate_jwt_authority());
}

Result<std::string> federated(Agent& agent, std::string_view arguments) {
  const auto count = number<std::size_t>(arguments);
  if (!count) return fail(count.error());
  return seq(agent.set_federated(*count));
}

Result<std::string> crls(Agent& agent, std::string_view arguments) {
  const auto count = number<std::size_t>(arguments);
  if (!count) return fail(count.error());
  return seq(agent.set_crls(*count));
}

Result<std::string> burst(Agent& agent, std::string_view arguments) {
  const auto parts = words(arguments);
  if (parts.size() != 2) return fail(ErrorKind::usage, "burst COUNT RATE");
  const auto count = number<std::uint64_t>(parts[0]);
  if (!count) return fail(count.error());
  const auto rate = number<double>(parts[1]);
  if (!rate) return fail(rate.error());
  return done(agent.burst(*count, *rate));
}

Result<std::string> wait(Agent& agent, std::string_view) {
  const auto burst = agent.wait_burst();
  if (!burst) return fail(burst.error());
  return fmt::format("sent={} seq={} ms={}", burst->sent, burst->seq, burst->took / 1ms);
}

Result<std::string> streams(Agent& agent, std::string_view arguments) {
  const auto parts = words(arguments);
  if (parts.empty() || parts.size() > 2) return fail(ErrorKind::usage, "streams N [SECONDS]");
  const auto count = number<std::size_t>(parts[0]);
  if (!count) return fail(count.error());
  std::chrono::nanoseconds timeout = kStandardWait;
  if (parts.size() == 2) {
    const auto seconds = number<double>(parts[1]);
    if (!seconds) return fail(seconds.error());
    if (!(*seconds >= 0 && *seconds <= 1e6)) return fail(ErrorKind::usage, "a timeout is 0 to 1e6 seconds");
    timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(*seconds));
  }
  const bool there = agent.hub().wait_streams(*count, timeout);
  const std::size_t open = agent.hub().open_streams(Topic::x509_svids);
  if (!there) return fail(ErrorKind::timed_out, fmt::format("{} X.509 streams are open", open));
  return fmt::format("streams={}", open);
}

Result<std::string> status(Agent& agent, std::string_view) {
  return agent.status_json();
}

Result<std::string> inject(Agent& agent, std::string_view arguments) {
  const auto request = parse_fault(arguments);
  if (!request) return fail(request.error());
  if (auto injected = agent.inject(*request); !injected) return fail(injected.error());
  return fmt::format("seq={}", agent.hub().seq());
}

Result<std::string> admit(Agent& agent, std::string_view) {
  agent.admit();
  return "";
}

Result<std::string> clear(Agent& agent, std::string_view) {
  return seq(agent.clear());
}

Result<std::string> list_faults(Agent&, std::string_view) {
  std::string out;
  for (const Fault& fault : faults()) out.append(out.empty() ? "" : " ").append(fault.name);
  return out;
}

Result<std::string> help(Agent&, std::string_view) {
  std::string out;
  for (const Command& command : commands()) {
    out.append(out.empty() ? "" : ", ").append(command.name);
    if (!command.arguments.empty()) out.append(" ").append(command.arguments);
  }
  return out;
}

constexpr std::array kCommands = {
    Command{"rotate", "", "new SVIDs to all streams", rotate},
    Command{"resend", "", "the same state again", resend},
    Command{"burst", "COUNT RATE", "COUNT rotations at RATE a second, in the background", burst},
    Command{"wait", "", "until the burst is over", wait},
    Command{"federated", "N", "the number of federated trust domains", federated},
    Command{"crls", "N", "the number of revocation lists", crls},
    Command{"rotate-ca", "", "a new X.509 authority; the bundle keeps the last one", rotate_authority},
    Command{"rotate-jwt", "", "a new JWT key; the bundle keeps the last one", rotate_jwt},
    Command{"fault", "NAME[@N] [ARGUMENT]", "inject a fault; @N spoils the message's Nth SVID only", inject},
    Command{"clear", "", "undo every fault", clear},
    Command{"allow", "", "undo deny, unavailable, invalid and unimplemented", admit},
    Command{"available", "", "the same", admit},
    Command{"streams", "N [SECONDS]", "until N X.509 streams are open", streams},
    Command{"status", "", "one line of JSON", status},
    Command{"faults", "", "the names of the faults", list_faults},
    Command{"help", "", "the commands", help},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

std::string answer(Agent& agent, std::string_view line) {
  const auto parts = words(line);
  const std::string_view name = parts.empty() ? "" : parts[0];
  std::string arguments;
  for (std::size_t i = 1; i < parts.size(); ++i) arguments.append(i > 1 ? " " : "").append(parts[i]);
  const auto command = std::ranges::find(kCommands, name, &Command::name);
  Result<std::string> result;
  if (command == kCommands.end()) {
    result = inject(agent, std::string(name) + (arguments.empty() ? "" : " ") + arguments);
  } else if (command->arguments.empty() && !arguments.empty()) {
    result = fail(ErrorKind::usage, std::string(name) + " takes no argument");
  } else {
    result = command->run(agent, arguments);
  }
  if (!result) {
    const std::string hint = result.error().hint.empty() ? "" : " (" + result.error().hint + ")";
    return "error: " + result.error().message + hint;
  }
  return result->empty() ? "ok" : "ok " + *result;
}

}  // namespace spiffe::dev_agent
