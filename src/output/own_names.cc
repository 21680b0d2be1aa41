#include "output/own_names.hh"

#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/text.hh"

namespace spiffe::output {

OwnNames::OwnNames(std::string_view hash) {
  const std::string infix = hash.empty() ? "" : "." + std::string(hash);
  lock_ = "..lock" + infix;
  data_ = "..data" + infix;
  generation_ = "..gen" + infix + ".";
  temporary_ = "..tmp" + infix + ".";
}

bool is_helper_link(std::string_view target, std::string_view leaf) {
  constexpr std::string_view kData = "..data";
  if (!target.starts_with(kData)) return false;
  target.remove_prefix(kData.size());
  const std::size_t slash = target.find('/');
  if (slash == std::string_view::npos || target.substr(slash + 1) != leaf) return false;
  return slash == 0 || target[0] == '.';
}

std::string hash_of_names(std::span<const std::string> names) {
  std::vector<std::string> sorted(names.begin(), names.end());
  std::ranges::sort(sorted);
  std::string text;
  for (const std::string& name : sorted) (text += name) += '\n';
  const Sha256 digest = sha256(std::as_bytes(std::span(text)));
  return lower(hex(std::span(digest).first(8)));
}

std::string TemporaryNames::next(const OwnNames& names) {
  return names.temporary(fmt::format("{:016x}-{:x}", random_, counter_++));
}

void TemporaryNames::reseed() {
  // Without random bytes (very early in the boot), the clock is enough: O_EXCL prevents collisions, random
  // names only make them rare.
  if (::getrandom(&random_, sizeof random_, GRND_NONBLOCK) != sizeof random_) {
    random_ = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
  }
}

std::string new_generation_id() {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(wall_now().time_since_epoch());
  return fmt::format("{:016x}", static_cast<std::uint64_t>(now.count()));
}

}  // namespace spiffe::output
