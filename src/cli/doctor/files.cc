#include "cli/doctor/files.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "cli/files/input_file.hh"
#include "cli/files/show_files.hh"
#include "cli/text/cat.hh"
#include "config/path_join.hh"
#include "output/formats.hh"
#include "output/own_directory.hh"
#include "output/own_names.hh"
#include "output/password_file.hh"

namespace spiffe::cli {

namespace {

std::string octal(mode_t mode) {
  std::string out = "0";
  for (int shift = 6; shift >= 0; shift -= 3) out += static_cast<char>('0' + (mode >> shift & 7));
  return out;
}

// Whether the attributes are right; reports those that are not.
bool has_attributes(const output::PlannedFile& wanted, const std::string& where, const struct stat& info,
                    Findings& out) {
  const std::string path = escape(where);
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

// The password of keystore and truststore, if configured; reports whether it can be read.
std::optional<SecretBytes> password_of(const config::Config& config, Findings& out) {
  const std::string& file = config.x509.keystore_password_file;
  if (file.empty() || !output::any_has(config.x509.names, &output::Format::password)) return std::nullopt;
  auto password = output::read_password_file(file);
  if (password) return *std::move(password);
  const Error error = context("keystore_password_file", password.error());
  add(out, error.sys == EACCES ? Grade::warn : Grade::fail, "files", error.message,
      error.sys == EACCES  ? "ask again as the user that the helper runs as"
      : error.hint.empty() ? "nothing is written until it can be read"
                           : error.hint);
  return std::nullopt;
}

// Whether the existing files are valid; reports errors.
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

namespace {

// The existing outputs.
struct Found {
  std::vector<ShownFile> files;
  std::vector<std::string> missing;
  bool good = true;
  std::optional<SecretBytes> password;  // for keystore and truststore
};

void look_at_file(const output::PlannedFile& wanted, const std::string& path, Found& found, Findings& out) {
  constexpr std::size_t kWidth = 80;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    found.missing.push_back(path);
    return;
  }
  if (S_ISREG(info.st_mode)) found.good = has_attributes(wanted, path, info, out) && found.good;
  found.files.push_back(
      show_file(path, read_input(path), wall_now(), kWidth, found.password ? &*found.password : nullptr));
}

// An output that is a directory: `path` is that directory.
void look_into_output(const output::PlannedFile& wanted, const std::string& path, Found& found,
                      Findings& out) {
  const std::string_view members = wanted.format->members;
  const auto directory = look_into(path);
  std::vector<std::string> paths = output::fixed_members(members);
  for (std::string& each : paths) each.insert(0, path + "/");
  if (directory) {
    for (const std::string& each : directory->files) {
      if (!output::is_member(members, each.substr(each.rfind('/') + 1))) {
        add(out, Grade::warn, "files", escape(each) + " is not the helper's",
            "what lies in an output's directory is taken for the output by those who read it: remove it");
        found.good = false;
      } else if (std::ranges::find(paths, each) == paths.end()) {
        paths.push_back(each);
      }
    }
  }
  if (paths.empty()) found.missing.push_back(path);
  for (const std::string& each : paths) look_at_file(wanted, each, found, out);
}

}  // namespace

void check_files(const config::Config& config, const daemon::Plan& plan, Renewal renewal, Findings& out) {
  Found found;
  found.password = password_of(config, out);
  for (const auto* planned : {&plan.x509.files, &plan.jwt}) {
    for (const output::PlannedFile& wanted : *planned) {
      std::string path = config::join_path(config.cert_dir, wanted.name);
      if (wanted.format != nullptr && wanted.format->shape == output::Shape::directory) {
        path.resize(path.rfind('/'));
        look_into_output(wanted, path, found, out);
      } else {
        look_at_file(wanted, path, found, out);
      }
    }
  }
  if (found.files.empty()) {
    add(out, Grade::ok, "files", "none yet");
    return;
  }
  for (const std::string& path : found.missing) {
    add(out, Grade::fail, "files", escape(path) + " is missing, others are there",
        "start the helper, which writes it again; revoke = \"remove\" takes keys away");
    found.good = false;
  }
  const bool good = check_contents(std::move(found.files), renewal, out) && found.good;
  if (good) add(out, Grade::ok, "files", "they are whole, belong together and have the right modes");
}

}  // namespace spiffe::cli
