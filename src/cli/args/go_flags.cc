#include "cli/args/go_flags.hh"

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>

#include "base/text.hh"
#include "config/suggest.hh"

namespace spiffe::cli {

namespace {

using Words = std::vector<std::string>;

constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};

const GoFlag* find(const std::vector<GoFlag>& known, std::string_view name) {
  const auto it = std::ranges::find(known, name, &GoFlag::name);
  return it == known.end() ? nullptr : &*it;
}

// The value of a known flag. `at` is the index of its word, and advances if the value is the next word.
Result<std::string> value_of(const GoFlag& flag, std::optional<std::string> assigned,
                             std::span<const std::string> args, std::size_t& at) {
  const bool next = at + 1 < args.size();
  if (!flag.boolean) {
    if (assigned) return *std::move(assigned);
    if (next) return args[++at];
    return fail(ErrorKind::usage, "flag needs an argument: -" + flag.name);
  }
  if (!assigned) return next && parse_go_bool(args[at + 1]) ? args[++at] : "true";
  if (parse_go_bool(*assigned)) return *std::move(assigned);
  return fail(ErrorKind::usage, "-" + flag.name + " must be true or false, not " + quote(*assigned));
}

// Adapts the words to CLI11, which rejects long names with one dash and an empty value after "=": a known
// flag becomes "--name", always followed by a word with its value. Unknown flags and other words stay.
Result<Words> normalise(std::span<const std::string> args, const std::vector<GoFlag>& known,
                        std::optional<Words>& behind_dashes) {
  Words out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word == "--") {
      const auto rest = args.subspan(i + 1);
      behind_dashes.emplace(rest.begin(), rest.end());
      break;
    }
    // As in Go, "-" alone is not a flag.
    if (word.size() < 2 || word[0] != '-') {
      out.push_back(word);
      continue;
    }
    const std::string flag = word.substr(word[1] == '-' ? 2 : 1);
    if (flag[0] == '-' || flag[0] == '=') return fail(ErrorKind::usage, "bad flag syntax: " + escape(word));
    const std::size_t assign = flag.find('=');
    const GoFlag* spec = find(known, flag.substr(0, assign));
    out.push_back("--" + (spec != nullptr ? spec->name : flag));
    if (spec == nullptr) continue;
    auto value = value_of(
        *spec, assign == std::string::npos ? std::nullopt : std::optional(flag.substr(assign + 1)), args, i);
    if (!value) return fail(value.error());
    out.push_back(*std::move(value));
  }
  return out;
}

std::unexpected<Error> unknown_flag(std::string_view word, const std::vector<GoFlag>& known) {
  const std::string_view name = word.substr(2, word.find('=') - 2);
  std::vector<std::string> keys;  // most flags are keys
  for (const GoFlag& flag : known) {
    keys.push_back(flag.name);
    std::ranges::replace(keys.back(), '-', '_');
  }
  const std::vector<std::string_view> names(keys.begin(), keys.end());
  std::string near(config::suggest_key(name, names));
  std::ranges::replace(near, '_', '-');
  return fail(ErrorKind::usage, "flag provided but not defined: -" + escape(name),
              near.empty() ? "" : "did you mean -" + near + "?");
}

}  // namespace

std::optional<bool> parse_go_bool(std::string_view text) {
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

Result<GivenFlags> parse_flags(std::span<const std::string> args, const std::vector<GoFlag>& known) {
  GivenFlags out;
  auto words = normalise(args, known, out.behind);
  if (!words) return fail(words.error());
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const GoFlag& flag : known) {
    // CLI11 compares each option with all before it, so the hundred that were not given would take 0.3 ms.
    if (std::ranges::find(*words, "--" + flag.name) == words->end()) continue;
    const auto take = [&out, &flag](const Words& values) {
      for (const std::string& value : values) {
        const bool help = flag.name == "help" || flag.name == "h";
        if (!help) out.values.emplace_back(flag.name, value);
        if (help && parse_go_bool(value).value_or(false)) out.help = true;
      }
    };
    app.add_option_function<Words>(flag.name.size() == 1 ? "-h,--h" : "--" + flag.name, take)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->expected(1)
        ->allow_extra_args(false);
  }
  try {
    std::ranges::reverse(*words);  // in the order that CLI11 expects
    app.parse(*words);
  } catch (const CLI::ParseError& e) {
    return fail(ErrorKind::usage, lower(e.what()));
  }
  for (std::string& word : app.remaining()) {
    if (word.size() > 1 && word[0] == '-' && !out.help) return unknown_flag(word, known);
    out.words.push_back(std::move(word));
  }
  return out;
}

}  // namespace spiffe::cli
