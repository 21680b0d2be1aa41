#include "cli/fetch_files.hh"

#include <cstdio>
#include <span>
#include <utility>

#include "base/text.hh"
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

}  // namespace

File secret_file(std::string name, SecretBytes content) {
  return {.name = std::move(name), .content = std::move(content), .mode = 0600, .owner = {}, .secret = true};
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
    // Last, as everywhere: who waits for the certificate finds the rest.
    files.push_back(certificates_file("svid." + number + ".pem", svid.chain));
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

Result<void> write_files(const std::string& directory, const std::vector<File>& files) {
  auto opened = output::Directory::open({directory, ""}, false);
  if (!opened) {
    auto error = opened.error();
    if (!error.hint.empty()) error.hint = "mkdir -p " + escape(directory);
    return fail(error);
  }
  output::Notices notices;
  output::Place place{*std::move(opened), output::OwnNames(), {}, &notices};
  std::vector<output::Item> items;
  items.reserve(files.size());
  for (const File& file : files) items.push_back({.file = &file, .leaf = file.name});
  const std::function<bool()> nothing_to_ask;
  output::Approval approval(nothing_to_ask);
  if (auto written = output::replace_files(place, items, approval); !written) return written;
  for (const auto& notice : notices.take()) {
    // The daemon's notice speaks of layouts, which are nothing here.
    const bool link = notice.event == "link_replaced";
    const std::string message = link ? "was a link, and is a file of its own now" : notice.message;
    std::fputs(("warning: " + escape(notice.path) + " " + message + "\n").c_str(), stderr);
  }
  const std::string count = std::to_string(files.size()) + (files.size() == 1 ? " file" : " files");
  std::fputs(("wrote " + count + " to " + escape(directory) + "\n").c_str(), stderr);
  return {};
}

}  // namespace spiffe::cli
