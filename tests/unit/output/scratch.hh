// Real directories for the tests of src/output, and small questions about what is in them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "base/fd.hh"
#include "output/publisher.hh"

namespace spiffe::output::test {

namespace fs = std::filesystem;

// A new directory with mode 0755, removed with all it holds.
class Scratch {
 public:
  explicit Scratch(const std::string& base = "/dev/shm");
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + '/' + std::string(name); }

 private:
  std::string path_;
};

// Where each file system that matters is met: memory and disk.
inline const std::vector<std::string> kMemoryAndDisk = {"/dev/shm", "/tmp"};

inline const std::vector<std::string> kNames = {"svid.pem", "svid_key.pem", "svid_bundle.pem"};

// Key, certificate and bundle whose content ends in `version`.
FileSet make_set(const std::string& version, const std::string& prefix = "");
File make_file(std::string name, std::string_view content, mode_t mode = 0644,
               Contents contents = Contents::nothing);

PublisherOptions options_for(const std::string& cert_dir, Layout layout = Layout::snapshot);
// Requires success.
Publisher make_publisher(PublisherOptions options);
// Staged and committed at once.
Result<Outcome> publish(Publisher& publisher, const FileSet& set, BootTime now = BootClock::now());
// A file that is no member of the set.
Result<Outcome> publish_alone(Publisher& publisher, File file);
FileSet copy_of(const FileSet& set);
Outcome must_publish(Publisher& publisher, const FileSet& set, BootTime now = BootClock::now());
// Requires an error.
Error must_fail(Result<Outcome> result);

std::string content_of(const std::string& path);  // "<missing>" where it cannot be read
void write(const std::string& path, std::string_view content, mode_t mode = 0644);
std::string link_of(const std::string& path);  // "" where it is no symlink
struct stat stat_of(const std::string& path);  // symlinks followed
mode_t mode_of(const std::string& path);       // 07777, symlinks followed
// Names that begin with `prefix`, sorted.
std::vector<std::string> entries(const std::string& directory, const std::string& prefix = "");
// Whether the three files hold this version.
bool holds_version(const std::string& directory, const std::string& version);
bool has_notice(const std::vector<Notice>& notices, std::string_view event);

// What arrives in a directory by rename, in order.
class Watcher {
 public:
  explicit Watcher(const std::string& directory);
  [[nodiscard]] std::vector<std::string> moved_to() const;  // since the last call

 private:
  Fd fd_;
};

// Runs `body` in a child process; requires that it returns true there. For tests that drop privileges, mount
// or change the umask: none of that must stay.
void in_child(const std::function<bool()>& body);
// The same in a mount namespace of its own. Without root the test says so and ends.
void in_mount_namespace(const std::function<bool()>& body);
bool is_root();
// From now on this process gets `error` from this system call. For children only.
bool deny_syscall(long number, int error);
// True without root, and says so: for a test that changes users and owners.
bool skipped_without_root();
// setuid and setgid to an unprivileged pair, with one supplementary group at most.
void become(uid_t user, gid_t group, std::optional<gid_t> supplementary = std::nullopt);
// Drops all capabilities but this one.
void keep_capability(unsigned capability);

}  // namespace spiffe::output::test
