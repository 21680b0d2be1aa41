#include "config/load.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/readable.hh"
#include "base/text.hh"
#include "config/agent_address.hh"
#include "config/binder.hh"
#include "config/effects.hh"
#include "config/lifecycle.hh"
#include "config/schema.hh"
#include "config/validate.hh"

namespace spiffe::config {

namespace {

constexpr std::string_view kNoOutput =
    "no output is configured: set svid_file_name, svid_key_file_name and svid_bundle_file_name together, or "
    "jwt_svids, jwt_bundle_file_name or jwks_file_name";

std::unexpected<Error> cannot_read(const LoadOptions& options, int code) {
  std::string hint;
  if (code == ENOENT) {
    hint = options.path_given ? "check the path given with -config"
                              : "create it, name another file with -config, or give every setting as a flag";
  } else if (code == EACCES) {
    hint = "let the user that runs the helper read it";
  }
  Error error{ErrorKind::config, "cannot read " + quote(options.path) + ": " + errno_text(code), hint, code};
  return fail(std::move(error));
}

std::unexpected<Error> cannot_read_again(const LoadOptions& options) {
  return fail(ErrorKind::config, "cannot read " + quote(options.path) + " again: it is not a regular file",
              "a configuration that comes through a pipe can be read only once");
}

class Loader {
 public:
  explicit Loader(const LoadOptions& options)
      : options_(options), binder_(loaded_.config, origins_, loaded_.warnings, refused_) {}

  Result<Loaded> run() {
    if (auto done = file(); !done) return fail(done.error());
    environment();
    flags();
    Config& config = loaded_.config;
    for (Error& error : resolve_lifecycle(config, origins_)) refused_.push_back(std::move(error));
    if (!options_.command.empty()) {
      origins_.erase("start.cmd");
      origins_.erase("start.args");
      config.cmd = options_.command.front();
      config.cmd_args.assign(options_.command.begin() + 1, options_.command.end());
      config.cmd_mode = CmdMode::wrap;
    }
    keep(find_agent_address(config, options_.environment, loaded_.warnings));
    // As in the Go helper, an empty path means the default.
    if (config.health_checks.liveness_path.empty())
      config.health_checks.liveness_path = HealthChecks().liveness_path;
    if (config.health_checks.readiness_path.empty())
      config.health_checks.readiness_path = HealthChecks().readiness_path;
    if (config.stop_signal == 0) config.stop_signal = Config().stop_signal;
    const auto good = judge();
    // If keys were left out, errors and warnings that follow from that are not useful.
    if (refused_.empty()) {
      if (good) warn_without_effect(config, origins_, loaded_.warnings);
      keep(good);
    }
    if (options_.refused != nullptr) {
      *options_.refused = std::move(refused_);
    } else if (!refused_.empty()) {
      return fail(all_of(std::move(refused_)));
    }
    return std::move(loaded_);
  }

 private:
  // Checks that need all keys together.
  Result<void> judge() {
    const Config& config = loaded_.config;
    if (auto good = validate(config, origins_, loaded_.warnings); !good) return good;
    if (!options_.allow_no_output && !has_output(config)) return no_output();
    return {};
  }

  void keep(const Result<void>& done) {
    if (!done) refused_.push_back(done.error());
  }

  Result<void> file() {
    const auto format = format_of(options_);
    if (!format) return fail(format.error());
    if (options_.path.empty()) return {};
    auto text = read_file(options_);
    if (!text) {
      if (options_.path_given || text.error().sys != ENOENT) return fail(text.error());
      missing_file_ = text.error();
      return {};
    }
    const auto document = read_document(*text, options_.path, *format);
    if (!document) return fail(document.error());
    loaded_.file_used = options_.path;
    binder_.bind(*document);
    return {};
  }

  void environment() {
    for (const Key& key : config_keys()) {
      const std::string name = variable_name(key);
      const std::string_view text = variable(options_.environment, name);
      if (text.empty()) continue;
      bind_setting(key, name, std::string(text));
    }
    warn_unknown_variables(options_.environment, loaded_.warnings);
  }

  void flags() {
    for (const FlagValue& flag : options_.flags) {
      const Key* key = find_key(flag.key);
      if (key != nullptr) {
        bind_setting(*key, flag.source, flag.value);
      } else {
        keep(fail(ErrorKind::config, escape(flag.source) + ": unknown key " + quote(flag.key)));
      }
    }
  }

  void bind_setting(const Key& key, const std::string& source, const std::string& text) {
    const auto document = setting(key, source, text);
    if (document) {
      binder_.bind(*document);
    } else {
      keep(fail(document.error()));
    }
  }

  [[nodiscard]] Result<void> no_output() const {
    if (missing_file_) return fail(*missing_file_);
    if (options_.path.empty()) return fail(ErrorKind::config, std::string(kNoOutput));
    return fail_at(options_.path, {}, kNoOutput);
  }

  const LoadOptions& options_;
  Loaded loaded_;
  Origins origins_;
  std::vector<Error> refused_;
  Binder binder_;
  std::optional<Error> missing_file_;
};

}  // namespace

Environment environment_from(const char* const* entries) {
  Environment out;
  for (; *entries != nullptr; ++entries) {
    const std::string_view entry = *entries;
    const std::size_t assign = entry.find('=');
    if (assign == std::string_view::npos) continue;
    out.emplace_back(entry.substr(0, assign), entry.substr(assign + 1));
  }
  return out;
}

Result<Format> format_of(const LoadOptions& options) {
  if (options.format) return *options.format;
  const std::string_view word = variable(options.environment, kFormatVariable);
  if (word.empty()) return Format::by_name;
  auto format = parse_format(word);
  if (!format) return fail(ErrorKind::config, std::string(kFormatVariable) + ": " + format.error().message);
  return format;
}

Result<std::string> read_file(const LoadOptions& options) {
  // With a FIFO, open() without O_NONBLOCK would wait for a writer and ignore all signals.
  const Fd fd(::open(options.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return cannot_read(options, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return cannot_read(options, errno);
  if (S_ISDIR(status.st_mode)) return cannot_read(options, EISDIR);
  bool waits = !S_ISREG(status.st_mode);
  if (options.again && waits) return cannot_read_again(options);
  std::string text;
  std::array<char, 16384> buffer{};
  while (text.size() <= kMaxDocumentSize) {
    if (waits) {
      if (auto ready = wait_readable(fd.get()); !ready) {
        return fail(ErrorKind::config, "cannot read " + quote(options.path) + ": " + ready.error().message);
      }
    }
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      // Some files of /proc are regular and block until there is data.
      if (options.again) return cannot_read_again(options);
      waits = true;
      continue;
    }
    if (n < 0) return cannot_read(options, errno);
    if (n == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return text;
}

Result<Loaded> load(const LoadOptions& options) {
  return Loader(options).run();
}

std::vector<FlagSpec> flag_table() {
  std::vector<FlagSpec> out;
  for (const Key& key : config_keys()) {
    out.push_back({flag_name(key), std::string(key.name), key.type == KeyType::boolean,
                   std::string(key.value_name), std::string(key.help), key.words});
  }
  return out;
}

}  // namespace spiffe::config
