#include "process/signal_use.hh"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/syscall.h>
#include <sys/uio.h>

#include "process/proc.hh"

namespace spiffe::process {

namespace {

bool contains(std::uint64_t set, int signo) {
  return (set >> (signo - 1) & 1) != 0;
}

// Whether `signo` is in the set after `name` ("SigCgt:"); nullopt if there is no such line.
std::optional<bool> in_set(std::string_view status, std::string_view name, int signo) {
  const std::size_t at = status.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = status.substr(at + name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  std::uint64_t set = 0;
  if (std::from_chars(rest.data(), rest.data() + rest.size(), set, 16).ec != std::errc{}) return std::nullopt;
  return contains(set, signo);
}

// While a process waits in sigwait(), the kernel removes the awaited signals from its blocked set. False if
// we may not read its memory, for example of another user's process.
bool waits_for(pid_t pid, int signo) {
  const auto address = awaited_set(read_proc(pid, "syscall").value_or(""));
  if (!address) return false;
  std::uint64_t set = 0;
  const iovec here{.iov_base = &set, .iov_len = sizeof set};
  const iovec there{.iov_base = std::bit_cast<void*>(*address), .iov_len = sizeof set};
  return ::process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof set && contains(set, signo);
}

}  // namespace

std::optional<std::uintptr_t> awaited_set(std::string_view syscall) {
  static const std::string start = std::to_string(SYS_rt_sigtimedwait) + " 0x";
  if (!syscall.starts_with(start)) return std::nullopt;
  syscall.remove_prefix(start.size());
  std::uintptr_t address = 0;
  const auto parsed = std::from_chars(syscall.data(), syscall.data() + syscall.size(), address, 16);
  return parsed.ec == std::errc{} ? std::optional(address) : std::nullopt;
}

SignalUse signal_use(std::string_view status, int signo) {
  if (in_set(status, "\nSigCgt:", signo).value_or(true)) return SignalUse::handled;
  if (in_set(status, "\nSigIgn:", signo).value_or(true)) return SignalUse::ignored;
  return in_set(status, "\nSigBlk:", signo).value_or(true) ? SignalUse::blocked : SignalUse::none;
}

SignalUse signal_use(pid_t pid, int signo) {
  const auto status = read_proc(pid, "status");
  if (!status) return SignalUse::handled;
  const SignalUse use = signal_use(*status, signo);
  return use == SignalUse::none && waits_for(pid, signo) ? SignalUse::blocked : use;
}

}  // namespace spiffe::process
