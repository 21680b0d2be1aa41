#include "process/signal_use.hh"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "process/proc.hh"

namespace spiffe::process {

namespace {

// Whether `signo` is in the set behind `name` ("SigCgt:"); nothing where there is no such line.
std::optional<bool> in_set(std::string_view status, std::string_view name, int signo) {
  const std::size_t at = status.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = status.substr(at + name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  std::uint64_t set = 0;
  if (std::from_chars(rest.data(), rest.data() + rest.size(), set, 16).ec != std::errc{}) return std::nullopt;
  return (set >> (signo - 1) & 1) != 0;
}

}  // namespace

SignalUse signal_use(std::string_view status, int signo) {
  if (in_set(status, "\nSigCgt:", signo).value_or(true)) return SignalUse::handled;
  if (in_set(status, "\nSigIgn:", signo).value_or(true)) return SignalUse::handled;
  return in_set(status, "\nSigBlk:", signo).value_or(true) ? SignalUse::blocked : SignalUse::none;
}

SignalUse signal_use(pid_t pid, int signo) {
  const auto status = read_proc(pid, "status");
  return status ? signal_use(*status, signo) : SignalUse::handled;
}

}  // namespace spiffe::process
