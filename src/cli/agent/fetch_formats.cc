#include "cli/agent/fetch_formats.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.hh"
#include "identity/x509_context.hh"
#include "output/file_plan.hh"

namespace spiffe::cli {

namespace {

using output::Format;
using output::kFormats;

constexpr std::string_view kPem = "pem";
constexpr std::string_view kPkcs12 = "pkcs12";

std::string word_of(const Format& format) {
  std::string word(base_of(format));
  std::ranges::replace(word, '_', '-');
  return word;
}

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t comma = list.find(',');
    out.push_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    list.remove_prefix(comma + 1);
  }
}

// "combined.0.pem"; for a directory "bundle_dir.0".
std::string name_of(const Format& format, std::size_t svid) {
  std::string name = std::string(base_of(format)) + "." + std::to_string(svid);
  return format.extension.empty() ? name : name + "." + std::string(format.extension);
}

// The message with this SVID only.
identity::X509Material only(const identity::X509Material& all, std::size_t svid) {
  const identity::X509SvidMaterial& from = all.svids[svid];
  identity::X509Material out{.svids = {}, .crls = {}, .federated_bundles = all.federated_bundles};
  out.svids.push_back({.spiffe_id = from.spiffe_id,
                       .certificates = from.certificates,
                       .key = from.key.clone(),
                       .bundle = from.bundle,
                       .hint = from.hint});
  return out;
}

}  // namespace

bool FetchFormats::takes_password() const {
  return std::ranges::any_of(outputs, &Format::password);
}

Result<FetchFormats> parse_fetch_formats(std::string_view list) {
  FetchFormats out;
  if (list.empty()) return out;
  const auto given = split(list);
  const auto words = split(kFetchFormatWords.text());
  for (const std::string_view word : given) {
    if (std::ranges::find(words, word) != words.end()) continue;
    return fail(ErrorKind::usage, "-format takes a list of " + one_of(words) + ", not " + quote(word),
                "write it as pem,pkcs12");
  }
  const auto wants = [&given](std::string_view word) {
    return std::ranges::find(given, word) != given.end();
  };
  out.pem = wants(kPem);
  for (const Format& format : kFormats) {
    const bool wanted = wants(word_of(format)) || (format.password && wants(kPkcs12));
    if (!is_pem(format) && wanted) out.outputs.push_back(&format);
  }
  return out;
}

Result<FetchedFiles> formatted_files(const identity::X509Material& material, const FetchFormats& formats,
                                     WallTime now, const SecretBytes* password) {
  FetchedFiles out;
  for (std::size_t i = 0; i < material.svids.size(); ++i) {
    const auto svid = identity::X509Context::read(only(material, i), {}, nullptr);
    if (!svid) return fail(svid.error().error);
    output::OutputNames names;
    for (const Format* format : formats.outputs) {
      const std::string name = name_of(*format, i);
      if (format->shape == output::Shape::directory) out.folders.emplace(name, format->members);
      names.emplace(format->key, name);
    }
    const auto plan = output::FilePlan::make("", names, {}, {});
    if (!plan) return fail(plan.error());
    auto set = plan->encode({.identity = *svid, .now = now, .keystore_password = password});
    if (!set) return fail(context(escape(material.svids[i].spiffe_id), set.error()));
    std::ranges::move(set->files, std::back_inserter(out.files));
  }
  return out;
}

}  // namespace spiffe::cli
