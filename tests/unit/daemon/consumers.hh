// Consumers with a real program.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/consumers.hh"
#include "unit/process/processes.hh"

namespace spiffe::daemon {

// Consumers with a program that appends to the file "out": "ready", and "renewed" on SIGUSR1.
struct ConsumersFixture : process::LoopFixture {
  process::TempDir dir;
  process::CapturedLog log{dir};
  health::Status status;
  config::Config config;
  std::vector<int> ends;
  std::unique_ptr<Consumers> consumers;

  ConsumersFixture() {
    config.x509.names = {{"svid_file_name", "svid.pem"}};
    config.cmd = "/bin/sh";
    config.cmd_args = {"-c", "exec >> " + (dir / "out") +
                                 "; trap 'echo renewed' USR1; echo ready; while :; do sleep 0.01; done"};
    config.renew_signal = SIGUSR1;
    config.stop_timeout = std::chrono::seconds(5);
  }
  ~ConsumersFixture() {
    if (consumers && ends.empty()) {
      consumers->terminate(0);
      consumers->terminate(0);
      static_cast<void>(until([&] { return !ends.empty(); }));
    }
  }
  void assemble() {
    consumers = std::move(
        Consumers::create(loop(), config, {}, status, [this](int code) { ends.push_back(code); }).value());
  }
  std::string out() const { return process::read_all(dir / "out"); }
  bool until_out(const std::string& text) {
    return until([&] { return out() == text; });
  }
};

}  // namespace spiffe::daemon
