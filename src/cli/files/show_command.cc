#include "cli/files/show_command.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "cli/args/arguments.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/files/input_file.hh"
#include "cli/files/show_files.hh"
#include "cli/text/cat.hh"
#include "cli/text/exit.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "config/outputs.hh"
#include "output/password_file.hh"
#include "process/core_dumps.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kShowHelp = R"(Usage: spiffe-helper show [PATH…] [flags]

Explains the files of an identity: PEM certificates, keys, chains and bundles,
PKCS#12 keystores and truststores, tokens, JWK Sets, bundle maps, the JWT bundle
file, and directories of them. Detects the kind from the content. Shows the
SPIFFE ID, the validity, whether key and certificate match, and whether the
bundle in the same directory verifies it. Of a private key it shows only the
type.

PATH may be a pipe, and - is standard input. Without PATH: the files of the
configuration. Exit status 1 if a file cannot be read or is of another kind; an
expired certificate is shown and is not an error. Sockets, pipes and devices in
a directory are skipped with a note.

Flags:
  -config FILE        where the files are (default helper.conf, if there)
  -password-file FILE the password of PKCS#12 files (default: "changeit" and the
                      empty one are tried)
  -timeout DURATION   longest wait for a pipe (default 1m, 0 for no limit)
  -output text|json   how to print (default text); JSON is an object with the
                      lists directories and files, see docs/json.md

Examples:
  spiffe-helper show /run/certs
  spiffe-helper show - <svid.pem
)";

constexpr std::array<CommandFlag, 1> kShowFlags = {{
    {"password-file", "FILE", "the file with the password of PKCS#12 files"},
}};

constexpr std::size_t kMaxWords = 1000;
constexpr std::size_t kMostUnasked = 1024UL * 1024;

class Show {
 public:
  explicit Show(const Arguments& arguments)
      : json_(arguments.json),
        timeout_(arguments.timeout),
        terminal_(Terminal::of(STDOUT_FILENO)),
        width_(std::min(terminal_.width, kMaxWidth)) {}

  // For PKCS#12.
  void set_password(SecretBytes password) { password_ = std::move(password); }

  void add(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return add_directory(path);
    files_.push_back(show_file(path, read_named(path, timeout_), now_, width_, password()));
    if (S_ISREG(info.st_mode)) add_neighbours(path);
  }

  void add_configured(const std::string& path) {
    struct stat info{};
    const bool directory = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (directory) return add_directory(path);
    files_.push_back(show_file(path, read_input(path), now_, width_, password()));
  }

  int finish() {
    relate(files_, now_);
    for (const ShownFile& file : files_) {
      if (file.asked && !file.explained) report(file.explained.error());
    }
    const int written = print(json_ ? json_text(all_json()) : all_text());
    return code_ == kOk ? written : code_;
  }

 private:
  [[nodiscard]] const SecretBytes* password() const { return password_ ? &*password_ : nullptr; }

  void report(const Error& error) {
    say(error);
    code_ = error.kind == ErrorKind::timed_out ? kTimedOut : std::max(code_, kFailed);
  }

  void add_directory(const std::string& path) {
    auto directory = look_into(path);
    if (!directory) return report(directory.error());
    if (directory->left_out > 0) {
      report({ErrorKind::failed,
              spoken_path(path) + ": " + std::to_string(directory->left_out) + " of its files are left out",
              "name those that you mean"});
    }
    for (const PassedOver& each : directory->passed_over)
      std::fputs(cat({"note: ", escape(each.path), " is a ", each.kind, ", passed over\n"}).c_str(), stderr);
    if (directory->files.empty()) report({ErrorKind::failed, escape(path) + ": holds no file", {}});
    for (const std::string& each : directory->files)
      files_.push_back(show_file(each, read_input(each), now_, width_, password()));
    directories_.push_back(*std::move(directory));
  }

  // Adds the files of the same directory, for comparison only.
  void add_neighbours(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const auto directory = look_into(slash == std::string::npos ? "." : path.substr(0, slash + 1));
    if (!directory) return;
    // There may be thousands of files; add each only once.
    const std::size_t asked = files_.size();
    for (const std::string& each : directory->files) {
      const std::string name = slash == std::string::npos ? each.substr(2) : each;
      const auto end = files_.begin() + static_cast<std::ptrdiff_t>(asked);
      if (std::ranges::find(files_.begin(), end, name, &ShownFile::path) != end) continue;
      files_.push_back(show_file(name, read_input(name, kMostUnasked), now_, width_, password()));
      files_.back().asked = false;
    }
  }

  [[nodiscard]] std::string all_text() const {
    std::string out;
    for (const ShownDirectory& directory : directories_) {
      out += paint(terminal_, Colour::bold, escape(directory.path)) + ": " + in_words(directory) + "\n";
    }
    for (const ShownFile& file : files_) {
      if (!file.asked || !file.explained) continue;
      if (!out.empty()) out += '\n';
      out += paint(terminal_, Colour::bold, spoken_path(file.path)) + ": " + file.explained->title + "\n";
      out += file.explained->rows.text();
    }
    return out;
  }

  [[nodiscard]] std::string in_words(const ShownDirectory& directory) const {
    if (directory.generation.empty()) return "a directory of plain files";
    const WallTime made = generation_time(directory.generation);
    return "a snapshot, published " + rfc3339(made);
  }

  [[nodiscard]] Json all_json() const {
    Json out = {{"directories", Json::array()}, {"files", Json::array()}};
    for (const ShownDirectory& each : directories_) {
      out["directories"].push_back(
          {{"path", each.path}, {"layout", each.layout}, {"generation", each.generation}});
      Json& passed_over = out["directories"].back()["passed_over"] = Json::array();
      for (const PassedOver& other : each.passed_over)
        passed_over.push_back({{"path", other.path}, {"kind", other.kind}});
    }
    for (const ShownFile& file : files_) {
      if (!file.asked) continue;
      Json entry = {{"path", file.path}};
      if (file.explained) {
        entry.update(file.explained->json);
      } else {
        entry["error"] = {{"message", file.explained.error().message}, {"hint", file.explained.error().hint}};
      }
      out["files"].push_back(std::move(entry));
    }
    return out;
  }

  bool json_;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::optional<SecretBytes> password_;
  Terminal terminal_;
  std::size_t width_;
  WallTime now_ = wall_now();
  std::vector<ShownDirectory> directories_;
  std::vector<ShownFile> files_;
  int code_ = kOk;
};

int show_command(const Arguments& arguments) {
  process::CoreDumps::forbid();
  Show show(arguments);
  std::string password_file(arguments.value("password-file"));
  std::vector<std::string> configured;
  if (arguments.words.empty()) {
    const auto loaded = load_partial(arguments);
    if (!loaded) return report(loaded.error());
    for (const auto& output : config::output_paths(loaded->config)) configured.push_back(output.path);
    if (configured.empty()) {
      return report({ErrorKind::failed, "no output is configured, and no path is given",
                     "spiffe-helper show PATH, or -config FILE"});
    }
    if (password_file.empty()) password_file = loaded->config.x509.keystore_password_file;
  }
  if (!password_file.empty()) {
    auto password = output::read_password_file(password_file);
    if (!password) return report(password.error());
    show.set_password(*std::move(password));
  }
  for (const std::string& path : arguments.words) show.add(path);
  for (const std::string& path : configured) show.add_configured(path);
  return show.finish();
}

}  // namespace

constinit const Command kShowCommand = {.name = "show",
                                        .summary = "explain certificates, keys, bundles and tokens on disk",
                                        .help = kShowHelp,
                                        .run = &show_command,
                                        .flags = kShowFlags,
                                        .max_words = kMaxWords,
                                        .prints_data = true};

}  // namespace spiffe::cli
