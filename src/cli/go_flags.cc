#include "cli/go_flags.hh"

#include <algorithm>
#include <array>

namespace spiffe::cli {

namespace {

constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};

const GoFlag* find(const std::vector<GoFlag>& known, std::string_view name) {
  const auto it = std::ranges::find(known, name, &GoFlag::name);
  return it == known.end() ? nullptr : &*it;
}

}  // namespace

std::optional<bool> parse_go_bool(std::string_view text) {
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

std::vector<std::string> normalise_flags(const std::vector<std::string>& args,
                                         const std::vector<GoFlag>& known) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word == "--") {
      out.insert(out.end(), args.begin() + static_cast<std::ptrdiff_t>(i), args.end());
      break;
    }
    // "-" alone is a word, as in Go.
    if (word.size() < 2 || word[0] != '-') {
      out.push_back(word);
      continue;
    }
    const std::string flag = word.substr(word[1] == '-' ? 2 : 1);
    const GoFlag* spec = find(known, flag);
    const bool next = i + 1 < args.size();
    if (spec == nullptr) {
      out.push_back("--" + flag);  // has its value after '=', or is unknown
    } else if (!spec->boolean) {
      out.push_back(next ? "--" + flag + "=" + args[++i] : "--" + flag);
    } else if (next && parse_go_bool(args[i + 1])) {
      out.push_back("--" + flag + "=" + args[++i]);
    } else {
      out.push_back("--" + flag + "=true");
    }
  }
  return out;
}

}  // namespace spiffe::cli
