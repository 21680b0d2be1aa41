#include "cli/run.hh"

#include <unistd.h>

#include "base/log.hh"
#include "base/text.hh"
#include "cli/app.hh"
#include "cli/text/voice.hh"
#include "cli/version.hh"
#include "config/load.hh"
#include "daemon/daemon.hh"
#include "workload/channel.hh"

namespace spiffe::cli {

namespace {

config::LoadOptions load_options(const CommandLine& line) {
  return {.path = line.config_path,
          .path_given = line.config_given,
          .flags = line.flags,
          .command = line.child_command,
          .environment = config::environment_from(environ)};
}

Result<config::Loaded> load(const CommandLine& line, config::LoadOptions options) {
  if (!line.config_format.empty()) {
    const auto format = config::parse_format(line.config_format);
    if (!format) return fail(context("-config-format", format.error()));
    options.format = *format;
  }
  return config::load(options);
}

}  // namespace

int run(const CommandLine& line, const FoundSignals& found_signals) {
  auto loaded = load(line, load_options(line));
  if (!loaded) {
    say(loaded.error());
    return kFailed;
  }
  const config::Config& config = loaded->config;
  log::configure(config.log_level, config.log_format);
  if (!loaded->file_used.empty()) log::info("Using configuration file: " + quote(loaded->file_used));
  config::log_all(loaded->warnings);
  if (config.daemon_mode) {
    log::info("Launching daemon", {{"event", "started"}});
  } else {
    log::info("Daemon mode disabled");
  }
  workload::init_grpc();
  // At a reload, a file that existed at the start must exist, even if its name was the default.
  config::LoadOptions again = load_options(line);
  again.again = true;
  again.path_given |= !loaded->file_used.empty();
  auto daemon = daemon::Daemon::create(config, found_signals, kVersion, [&] { return load(line, again); });
  if (!daemon) {
    say(daemon.error());
    return kFailed;
  }
  return (*daemon)->run();
}

}  // namespace spiffe::cli
