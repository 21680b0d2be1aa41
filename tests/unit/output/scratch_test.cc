#include "scratch.hh"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hh"

namespace spiffe::output::test {

Scratch::Scratch(const std::string& base) : path_(base + "/spiffe-output-XXXXXX") {
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
  REQUIRE(::chmod(path_.c_str(), 0755) == 0);
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

FileSet make_set(const std::string& version, const std::string& prefix) {
  FileSet set;
  set.files.push_back(make_file(prefix + "svid.pem", "certificate " + version, 0644, Contents::certificate));
  set.files.push_back(make_file(prefix + "svid_key.pem", "key " + version, 0600, Contents::key));
  set.files.push_back(make_file(prefix + "svid_bundle.pem", "bundle " + version, 0644, Contents::trust));
  return set;
}

File make_file(std::string name, std::string_view content, mode_t mode, Contents contents) {
  return {std::move(name), SecretBytes(content), mode, {}, contents};
}

PublisherOptions options_for(const std::string& cert_dir, Layout layout) {
  return {.cert_dir = cert_dir, .layout = layout, .names = kNames};
}

Publisher make_publisher(PublisherOptions options) {
  auto publisher = Publisher::create(std::move(options));
  INFO((publisher ? "" : publisher.error().message));
  REQUIRE(publisher);
  return std::move(*publisher);
}

FileSet copy_of(const FileSet& set) {
  FileSet copy{.files = {}, .alone = set.alone};
  for (const File& file : set.files) {
    copy.files.push_back({.name = file.name,
                          .content = SecretBytes(file.content.bytes()),
                          .mode = file.mode,
                          .owner = file.owner,
                          .contents = file.contents});
  }
  return copy;
}

Result<Outcome> publish(Publisher& publisher, const FileSet& set, BootTime now) {
  auto staged = publisher.stage(copy_of(set));
  if (!staged) return fail(staged.error());
  return publisher.commit(*std::move(staged), now);
}

Result<Outcome> publish_alone(Publisher& publisher, File file) {
  FileSet set{.files = {}, .alone = true};
  set.files.push_back(std::move(file));
  return publish(publisher, set);
}

Outcome must_publish(Publisher& publisher, const FileSet& set, BootTime now) {
  auto outcome = publish(publisher, set, now);
  INFO((outcome ? "" : outcome.error().message));
  REQUIRE(outcome);
  return std::move(*outcome);
}

Error must_fail(Result<Outcome> result) {
  REQUIRE_FALSE(result);
  return result.error();
}

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return "<missing>";
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, std::string_view content, mode_t mode) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  ::chmod(path.c_str(), mode);
}

std::string link_of(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  return error ? std::string() : target.string();
}

struct stat stat_of(const std::string& path) {
  struct stat st{};
  INFO(path);
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return st;
}

mode_t mode_of(const std::string& path) {
  return stat_of(path).st_mode & 07777;
}

std::vector<std::string> entries(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

bool holds_version(const std::string& directory, const std::string& version) {
  return content_of(directory + "/svid.pem") == "certificate " + version &&
         content_of(directory + "/svid_key.pem") == "key " + version &&
         content_of(directory + "/svid_bundle.pem") == "bundle " + version;
}

bool has_notice(const std::vector<Notice>& notices, std::string_view event) {
  return std::ranges::any_of(notices, [&](const Notice& notice) { return notice.event == event; });
}

Watcher::Watcher(const std::string& directory) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  REQUIRE(::inotify_add_watch(fd_.get(), directory.c_str(), IN_MOVED_TO) >= 0);
}

std::vector<std::string> Watcher::moved_to() const {
  std::vector<std::string> arrived;
  alignas(inotify_event) std::array<char, 8192> buffer{};
  const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
  for (ssize_t at = 0; at < n;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    arrived.emplace_back(event->name);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  return arrived;
}

bool is_root() {
  return ::geteuid() == 0;
}

bool deny_syscall(long number, int error) {
  std::array<sock_filter, 4> program = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool skipped_without_root() {
  if (is_root()) return false;
  std::printf("SKIP: %s: needs root\n", Catch::getResultCapture().getCurrentTestName().c_str());
  return true;
}

void in_child(const std::function<bool()>& body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    bool good = false;
    try {
      good = body();
    } catch (...) {
      // A REQUIRE of a helper function failed; its message is lost with this process.
      std::fputs("a requirement failed in the child process\n", stderr);
    }
    std::fflush(nullptr);
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
}

void in_mount_namespace(const std::function<bool()>& body) {
  if (skipped_without_root()) return;
  in_child([&] {
    const bool apart =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (!apart) std::perror("a mount namespace of one's own");
    return apart && body();
  });
}

void become(uid_t user, gid_t group, std::optional<gid_t> supplementary) {
  const gid_t* groups = supplementary ? &*supplementary : nullptr;
  if (::setgroups(supplementary ? 1 : 0, groups) != 0 || ::setresgid(group, group, group) != 0 ||
      ::setresuid(user, user, user) != 0) {
    std::perror("dropping privileges");
    std::abort();
  }
}

void keep_capability(unsigned capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  auto& set = sets.at(capability / 32);
  set.effective = set.permitted = 1U << (capability % 32);
  if (::syscall(SYS_capset, &header, sets.data()) != 0) {
    std::perror("dropping capabilities");
    std::abort();
  }
}

}  // namespace spiffe::output::test
