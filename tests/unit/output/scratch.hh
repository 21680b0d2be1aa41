// Real directories for the tests of src/output, and functions that inspect them.
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

// A new directory with mode 0755, removed with everything in it.
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

inline constexpr auto kLayouts = {Layout::snapshot, Layout::files, Layout::in_place};

// The two kinds of file systems that matter: memory and disk.
inline const std::vector<std::string> kMemoryAndDisk = {"/dev/shm", "/tmp"};

inline const std::vector<std::string> kNames = {"svid.pem", "svid_key.pem", "svid_bundle.pem"};

// Key, certificate and bundle whose content ends in `version`.
FileSet make_set(const std::string& version, const std::string& prefix = "");
File make_file(std::string name, std::string_view content, mode_t mode = 0644,
               Contents contents = Contents::nothing);

PublisherOptions options_for(const std::string& cert_dir, Layout layout = Layout::snapshot);
// Requires success.
Publisher make_publisher(PublisherOptions options);
// stage() and commit().
Result<Outcome> publish(Publisher& publisher, const FileSet& set, BootTime now = BootClock::now());
// Publishes a file outside the set.
Result<Outcome> publish_alone(Publisher& publisher, File file);
FileSet copy_of(const FileSet& set);
Outcome must_publish(Publisher& publisher, const FileSet& set, BootTime now = BootClock::now());
// Requires an error.
Error must_fail(Result<Outcome> result);

std::string content_of(const std::string& path);  // "<missing>" if it cannot be read
void write(const std::string& path, std::string_view content, mode_t mode = 0644);
std::string link_of(const std::string& path);  // "" if it is not a symlink
struct stat stat_of(const std::string& path);  // symlinks followed
mode_t mode_of(const std::string& path);       // 07777, symlinks followed
// Names that begin with `prefix`, sorted.
std::vector<std::string> entries(const std::string& directory, const std::string& prefix = "");
// Whether the three files hold this version.
bool holds_version(const std::string& directory, const std::string& version);
bool has_notice(const std::vector<Notice>& notices, std::string_view event);

// Records the files renamed into a directory, in order.
class Watcher {
 public:
  explicit Watcher(const std::string& directory);
  [[nodiscard]] std::vector<std::string> moved_to() const;  // since the last call

 private:
  Fd fd_;
};

// Runs `body` in a child process and requires that it returns true there. For tests that drop privileges,
// mount, or change the umask, none of which must outlast the test.
void in_child(const std::function<bool()>& body);
// The same in a mount namespace of its own. Without root the test is skipped with a message.
void in_mount_namespace(const std::function<bool()>& body);
bool is_root();
// From now on this system call returns `error` in this process. For children only.
bool deny_syscall(long number, int error);
// Returns true without root, with a message: for tests that change users and owners.
bool skipped_without_root();
// setuid and setgid to an unprivileged pair, with at most one supplementary group.
void become(uid_t user, gid_t group, std::optional<gid_t> supplementary = std::nullopt);
// Drops all other capabilities.
void keep_capability(unsigned capability);

}  // namespace spiffe::output::test
