#include "cli/agent/fetch_files.hh"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ranges>
#include <span>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hh"
#include "output/own_directory.hh"
#include "output/pem.hh"
#include "output/replace.hh"

namespace spiffe::cli {

namespace {

using output::File;

File certificates_file(std::string name, std::span<const identity::Certificate> certificates) {
  File file{.name = std::move(name), .content = {}, .owner = {}};
  for (const auto& each : certificates) output::append_pem(file.content, "CERTIFICATE", each.der());
  return file;
}

std::string federated_name(std::size_t svid, std::size_t domain) {
  return "federated_bundle." + std::to_string(svid) + "." + std::to_string(domain);
}

// One directory and its new content.
struct Target {
  output::Place place;
  std::vector<output::Item> items;
  std::vector<std::string> strays;  // to be removed
};

// Prepares everything before the first name changes.
Result<void> replace_all(std::vector<Target>& targets) {
  std::vector<output::Replacement> prepared;
  for (Target& target : targets) {
    auto replacement = output::Replacement::prepare(target.place, target.items);
    if (!replacement) return fail(replacement.error());
    prepared.push_back(*std::move(replacement));
  }
  for (auto& replacement : std::views::reverse(prepared)) {
    if (auto written = replacement.commit(); !written) return written;
  }
  return {};
}

class Writing {
 public:
  Writing(const std::string& directory, output::Notices& notices)
      : directory_(directory), notices_(notices) {}
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  // Removes directories that were created and are still empty.
  ~Writing() {
    for (const std::string& name : made_) ::unlinkat(targets_.front().place.fd(), name.c_str(), AT_REMOVEDIR);
  }

  Result<void> open(const FetchedFiles& fetched) {
    auto root = output::Directory::open({directory_, ""}, false);
    if (!root) {
      auto error = root.error();
      if (!error.hint.empty()) error.hint = "mkdir -p " + escape(directory_);
      return fail(error);
    }
    add(*std::move(root), fetched.files, "");
    for (const auto& [name, members] : fetched.folders) {
      if (auto opened = open_folder(name, members, fetched.files); !opened) return opened;
    }
    return {};
  }

  Result<void> write() {
    if (auto written = replace_all(targets_); !written) return written;
    for (const Target& target : targets_) {
      for (const std::string& name : target.strays) {
        if (auto removed = output::remove_file(target.place, name); !removed) return fail(removed.error());
      }
    }
    return {};
  }

 private:
  void add(output::Directory directory, const std::vector<File>& files, const std::string& prefix) {
    Target& target =
        targets_.emplace_back(Target{{std::move(directory), output::OwnNames(), {}, &notices_}, {}, {}});
    for (const File& file : files) {
      if (!file.name.starts_with(prefix)) continue;
      std::string leaf = file.name.substr(prefix.size());
      if (leaf.find('/') == std::string::npos)
        target.items.push_back({.file = &file, .leaf = std::move(leaf), .digest = {}});
    }
    std::ranges::stable_sort(target.items, {},
                             [](const output::Item& item) { return output::turn_of(item.file->contents); });
  }

  Result<void> open_folder(const std::string& name, std::string_view members,
                           const std::vector<File>& files) {
    const int root = targets_.front().place.fd();
    struct stat st{};
    const bool missing = ::fstatat(root, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    auto opened = output::Directory::open({directory_, name}, true);
    if (!opened) return fail(opened.error());
    if (missing) made_.push_back(name);
    add(*std::move(opened), files, name + "/");
    Target& target = targets_.back();
    auto strays = output::find_strays(target.place, members, target.items);
    if (!strays) return fail(strays.error());
    target.strays = *std::move(strays);
    return {};
  }

  const std::string& directory_;
  output::Notices& notices_;
  std::vector<Target> targets_;
  std::vector<std::string> made_;
};

}  // namespace

File secret_file(std::string name, SecretBytes content) {
  return {.name = std::move(name),
          .content = std::move(content),
          .mode = 0600,
          .owner = {},
          .contents = output::Contents::key};
}

std::vector<File> x509_files(const identity::X509Material& material, const X509View& view) {
  std::vector<File> files;
  for (std::size_t i = 0; i < view.svids.size(); ++i) {
    const SvidView& svid = view.svids[i];
    const std::string number = std::to_string(i);
    std::size_t j = 0;
    for (const auto& [domain, bundle] : view.bundles) {
      if (!bundle.own)
        files.push_back(certificates_file(federated_name(i, j++) + ".pem", bundle.authorities));
    }
    const auto bundle = view.bundles.find(svid.trust_domain);
    if (bundle != view.bundles.end())
      files.push_back(certificates_file("bundle." + number + ".pem", bundle->second.authorities));
    SecretBytes key;
    output::append_pem(key, "PRIVATE KEY", material.svids[i].key.bytes());
    files.push_back(secret_file("svid." + number + ".key", std::move(key)));
    files.push_back(certificates_file("svid." + number + ".pem", svid.chain));
    files.back().contents = output::Contents::certificate;
  }
  return files;
}

std::vector<File> bundle_files(const X509View& view, const identity::JwtBundles& jwt) {
  std::map<std::string, std::pair<const BundleView*, const identity::JwtBundle*>> domains;
  for (const auto& [domain, bundle] : view.bundles) domains[domain].first = &bundle;
  for (const auto& [domain, bundle] : jwt.bundles) domains[domain.name()].second = &bundle;
  std::vector<File> files;
  std::size_t own_count = 0;
  std::size_t federated_count = 0;
  for (const auto& [domain, bundles] : domains) {
    const auto& [x509, tokens] = bundles;
    const std::string begin = x509 != nullptr && x509->own ? "bundle." + std::to_string(own_count++)
                                                           : federated_name(0, federated_count++);
    if (x509 != nullptr) files.push_back(certificates_file(begin + ".pem", x509->authorities));
    if (tokens != nullptr)
      files.push_back({.name = begin + ".jwks", .content = SecretBytes(tokens->raw()), .owner = {}});
  }
  return files;
}

Result<void> write_files(const std::string& directory, const FetchedFiles& fetched) {
  output::Notices notices;
  Writing writing(directory, notices);
  if (auto opened = writing.open(fetched); !opened) return opened;
  if (auto written = writing.write(); !written) return written;
  for (const auto& notice : notices.take()) {
    // The daemon's notice mentions layouts, which do not exist here.
    const bool link = notice.event == "link_replaced";
    const std::string message = link ? "was a link, and is a file of its own now" : notice.message;
    std::fputs(("warning: " + escape(notice.path) + " " + message + "\n").c_str(), stderr);
  }
  const std::size_t all = fetched.files.size();
  const std::string count = std::to_string(all) + (all == 1 ? " file" : " files");
  std::fputs(("wrote " + count + " to " + escape(directory) + "\n").c_str(), stderr);
  return {};
}

}  // namespace spiffe::cli
