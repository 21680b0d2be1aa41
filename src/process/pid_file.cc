#include "process/pid_file.hh"

#include <utility>

#include "base/log.hh"
#include "base/signals.hh"

namespace spiffe::process {

PidFile::PidFile(Loop& loop, Options options)
    : log_(std::move(options.log)),
      path_(std::move(options.path)),
      signo_(options.signal),
      on_result_(std::move(options.on_result)),
      first_wait_(options.first_wait),
      signal_(path_, signo_, options.check),
      timer_(loop, [this] { attempt(); }) {}

void PidFile::rotated() {
  timer_.cancel();
  tries_ = 0;
  // A process that only blocked the signal for a moment gets one signal for both rotations.
  if (const auto replaced = std::exchange(pending_, std::nullopt); replaced && !replaced->usual) {
    const Error& error = replaced->error;
    // Many rotations in a row must not fill the log with one cause.
    const bool quiet = std::exchange(missed_, error.message) == error.message;
    give_up(error, quiet ? log::Level::debug : log::Level::error);
  }
  attempt();
}

void PidFile::stop() {
  timer_.cancel();
  pending_.reset();
}

void PidFile::attempt() {
  ++tries_;
  pending_.reset();
  auto sent = signal_.send();
  if (sent) {
    warned_.clear();
    missed_.clear();
    log_.info("PID file signalled", {{"event", "signalled"},
                                     {"path", path_},
                                     {"pid", std::to_string(*sent)},
                                     {"signal", signal_name(signo_)}});
    return finish(true);
  }
  if (!sent.error().lasting && tries_ < kPidFileTries) {
    put_off(sent.error());
    pending_ = std::move(sent.error());
    return;
  }
  give_up(sent.error().error, log::Level::error);
}

void PidFile::give_up(const Error& error, log::Level level) {
  log::Fields fields{
      {"event", "signal_failed"}, {"path", path_}, {"signal", signal_name(signo_)}, {"error", error.message}};
  if (!error.hint.empty()) fields.push_back({"hint", error.hint});
  log_.write(level, "Unable to signal PID file", fields);
  finish(false);
}

void PidFile::put_off(const Refusal& refusal) {
  const auto wait = first_wait_ * (1 << (tries_ - 1));
  const std::string& error = refusal.error.message;
  // Many rotations in a row, each replacing the last, must not fill the log.
  const bool quiet = refusal.usual || std::exchange(warned_, error) == error;
  log_.write(quiet ? log::Level::debug : log::Level::warning, "PID file not signalled yet",
             {{"path", path_}, {"signal", signal_name(signo_)}, {"error", error}, {"retry_in", human(wait)}});
  timer_.after(wait);
}

void PidFile::finish(bool sent) {
  if (on_result_) on_result_(sent);
}

}  // namespace spiffe::process
