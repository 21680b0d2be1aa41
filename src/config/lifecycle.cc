#include "config/lifecycle.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/schema.hh"

namespace spiffe::config {

namespace {

bool is_set(const Config& config, std::string_view name) {
  const Key& key = *find_key(name);
  const Config defaults;
  return !key.show(&config).same_as(key.show(&defaults));
}

std::string place_of(const Origins& origins, std::string_view key) {
  const auto found = origins.find(key);
  return found == origins.end() ? "" : found->second.value + ": ";
}

// The block of that name, created if necessary.
Value& block(Value& root, const std::string& name) {
  auto found = std::ranges::find(root.entries, name, &Entry::key);
  if (found != root.entries.end()) return found->value;
  root.add(name, Value::of_kind(Value::Kind::object));
  return root.entries.back().value;
}

}  // namespace

std::vector<Error> resolve_lifecycle(Config& config, Origins& origins) {
  std::vector<Error> out;
  for (const auto& [flat, block] : kLifecyclePairs) {
    if (!is_set(config, block)) {
      if (const auto found = origins.find(block); found != origins.end()) origins.erase(found);
      continue;
    }
    if (is_set(config, flat)) {
      out.push_back(
          {ErrorKind::config,
           place_of(origins, block) + std::string(flat) + " cannot be used with " + std::string(block),
           "keep one of them"});
    }
    origins[std::string(flat)] = origins.find(block)->second;
  }
  if (!out.empty()) return out;
  if (!config.start.cmd.empty()) config.cmd = std::exchange(config.start.cmd, {});
  if (!config.start.args.empty()) config.cmd_args = std::exchange(config.start.args, {});
  if (config.reload.signal != 0) config.renew_signal = std::exchange(config.reload.signal, 0);
  if (!config.reload.pid_file_name.empty())
    config.pid_file_name = std::exchange(config.reload.pid_file_name, {});
  return out;
}

std::string written_as(const Origins& origins, std::string_view key) {
  const auto pair = std::ranges::find(kLifecyclePairs, key, &LifecyclePair::flat);
  const bool by_block = pair != std::end(kLifecyclePairs) && origins.contains(pair->block);
  return std::string(by_block ? pair->block : key);
}

std::vector<std::string> reload_command(const Config& config) {
  std::vector<std::string> out;
  if (config.reload.cmd.empty()) return out;
  out.push_back(config.reload.cmd);
  out.insert(out.end(), config.reload.args.begin(), config.reload.args.end());
  return out;
}

void use_lifecycle_blocks(Value& root) {
  for (const auto& [flat, name] : kLifecyclePairs) {
    const auto found = std::ranges::find(root.entries, flat, &Entry::key);
    if (found == root.entries.end()) continue;
    Entry entry = std::move(*found);
    root.entries.erase(found);
    const std::size_t dot = name.find('.');
    entry.key = name.substr(dot + 1);
    block(root, std::string(name.substr(0, dot))).entries.push_back(std::move(entry));
  }
}

}  // namespace spiffe::config
