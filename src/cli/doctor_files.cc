#include "cli/doctor_files.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "cli/cat.hh"
#include "cli/input_file.hh"
#include "cli/show_files.hh"
#include "config/path_join.hh"
#include "output/own_names.hh"

namespace spiffe::cli {

namespace {

// A file as it should be.
struct Wanted {
  std::string path;
  mode_t mode;
  output::Owner owner;
};

std::vector<Wanted> wanted_files(const config::Config& config, const daemon::Names& names) {
  std::vector<Wanted> out;
  const auto add = [&](const std::string& name, mode_t mode, const output::Owner& owner) {
    if (!name.empty()) out.push_back({config::join_path(config.cert_dir, name), mode, owner});
  };
  const auto& x509 = names.x509;
  output::Owner key = x509.owner;
  if (x509.key_owner.user) key.user = x509.key_owner.user;
  if (x509.key_owner.group) key.group = x509.key_owner.group;
  if (daemon::wants_x509(config)) {
    add(x509.svid_file_name, x509.cert_file_mode, x509.owner);
    add(x509.svid_key_file_name, x509.key_file_mode, key);
    add(x509.svid_bundle_file_name, x509.cert_file_mode, x509.owner);
  }
  for (std::size_t i = 0; i < names.jwt.size(); ++i) {
    const bool token = i < config.jwt_svids.size();
    add(names.jwt[i], token ? config.jwt_svid_file_mode : config.jwt_bundle_file_mode, x509.owner);
  }
  return out;
}

std::string octal(mode_t mode) {
  std::string out = "0";
  for (int shift = 6; shift >= 0; shift -= 3) out += static_cast<char>('0' + (mode >> shift & 7));
  return out;
}

// Whether the attributes are right; else what is wrong is said.
bool has_attributes(const Wanted& wanted, const struct stat& info, Findings& out) {
  const std::string path = escape(wanted.path);
  if ((info.st_mode & 07777) != wanted.mode) {
    add(out, Grade::fail, "files",
        cat({path, ": its mode is ", octal(info.st_mode), ", not ", octal(wanted.mode)}),
        "a running helper puts that right: does it run, and who changes it?");
    return false;
  }
  const auto& [user, group] = wanted.owner;
  if (user.value_or(info.st_uid) == info.st_uid && group.value_or(info.st_gid) == info.st_gid) return true;
  add(out, Grade::fail, "files",
      cat({path, ": it belongs to ", std::to_string(info.st_uid), ":", std::to_string(info.st_gid),
           ", not to ", std::to_string(user.value_or(info.st_uid)), ":",
           std::to_string(group.value_or(info.st_gid))}),
      "a running helper puts that right: does it run, as root or with CAP_CHOWN?");
  return false;
}

std::string_view hint_for(Problem problem, Renewal renewal) {
  switch (problem) {
    case Problem::mixed:
      return "whoever wrote them was interrupted in between, as the Go helper may be: start this helper, and "
             "no "
             "other, and it writes both again";
    case Problem::expired:
      break;
    case Problem::other:
      return "start the helper, which writes them again; does something else write there too?";
  }
  switch (renewal) {
    case Renewal::denied:
      return "the agent denies this workload an identity, so no helper can renew it: the step identity above "
             "says what to check; the files are written again once an entry matches";
    case Renewal::no_answer:
      return "the agent gives no usable answer, so no helper can renew it: fix what fails above first";
    case Renewal::possible:
      break;
  }
  return "nobody renewed it: does a helper run?";
}

// The files as they stand there are good, or what is wrong is said.
bool check_contents(std::vector<ShownFile> files, Renewal renewal, Findings& out) {
  relate(files, wall_now());
  bool good = true;
  for (const ShownFile& file : files) {
    if (!file.explained) {
      const bool denied = file.explained.error().sys == EACCES;
      const std::string hint = denied ? "ask again as the user that the helper runs as"
                                      : "start the helper, which writes it again: somebody was interrupted";
      add(out, denied ? Grade::warn : Grade::fail, "files", file.explained.error().message, hint);
      good = false;
      continue;
    }
    const Json& texts = file.explained->json["problems"];
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto& text = texts[i].get_ref<const std::string&>();
      add(out, Grade::fail, "files", cat({escape(file.path), ": ", text}),
          hint_for(file.explained->problems[i], renewal));
      good = false;
    }
  }
  return good;
}

}  // namespace

void check_layout(const config::Config& config, const std::string& path, Findings& out) {
  const output::OwnNames own;
  const std::string data = cat({path, "/", own.data()});
  struct stat info{};
  if (::lstat(data.c_str(), &info) != 0) return;
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(data.c_str(), target.data(), target.size());
  const std::string_view live(target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  if (!own.is_generation(live)) {
    out.push_back(
        {config.layout == config::Layout::snapshot ? Grade::fail : Grade::warn, "layout",
         cat({data, " is not the helper's: it leads to ", quote(live)}),
         "is this a volume of Kubernetes itself, a Secret or ConfigMap? the helper needs another cert_dir"});
  } else if (::stat(data.c_str(), &info) != 0) {
    add(out, Grade::fail, "layout", cat({data, " leads to ", escape(live), ": ", errno_text(errno)}),
        "somebody removed it: a running helper writes it again");
  } else {
    add(out, Grade::ok, "layout", "a snapshot");
  }
}

void check_files(const config::Config& config, const daemon::Names& names, Renewal renewal, Findings& out) {
  std::vector<ShownFile> files;
  std::vector<std::string> missing;
  bool good = true;
  constexpr std::size_t kWidth = 80;
  for (const Wanted& wanted : wanted_files(config, names)) {
    struct stat info{};
    if (::stat(wanted.path.c_str(), &info) != 0) {
      missing.push_back(wanted.path);
      continue;
    }
    if (S_ISREG(info.st_mode)) good = has_attributes(wanted, info, out) && good;
    files.push_back(show_file(wanted.path, read_input(wanted.path), wall_now(), kWidth));
  }
  if (files.empty()) {
    add(out, Grade::ok, "files", "none yet");
    return;
  }
  for (const std::string& path : missing) {
    add(out, Grade::fail, "files", escape(path) + " is missing, others are there",
        "start the helper, which writes it again; revoke = \"remove\" takes keys away");
    good = false;
  }
  good = check_contents(std::move(files), renewal, out) && good;
  if (good) add(out, Grade::ok, "files", "they are whole, belong together and have the right modes");
}

}  // namespace spiffe::cli
