#include "output/file_plan.hh"

#include <utility>

#include "output/formats.hh"
#include "output/name.hh"

namespace spiffe::output {

mode_t Attributes::mode_of(Contents contents) const {
  return holds(contents, Contents::key) ? key_file_mode : cert_file_mode;
}

Owner Attributes::owner_of(Contents contents) const {
  if (!holds(contents, Contents::key)) return owner;
  return {key_owner.user ? key_owner.user : owner.user, key_owner.group ? key_owner.group : owner.group};
}

Result<FilePlan> FilePlan::make(const std::string& cert_dir, const OutputNames& names,
                                const EncodeOptions& options, const Attributes& attributes) {
  FilePlan plan{.files = {}, .options = options};
  for (const Format& format : kFormats) {
    const auto configured = names.find(format.key);
    if (configured == names.end()) continue;
    auto name = clean_name(cert_dir, configured->second + (format.shape == Shape::directory ? "/*" : ""));
    if (!name) return fail(name.error());
    plan.files.push_back({.name = *std::move(name),
                          .mode = attributes.mode_of(format.contents),
                          .owner = attributes.owner_of(format.contents),
                          .contents = format.contents,
                          .format = &format});
  }
  return plan;
}

Result<FileSet> FilePlan::encode(const Source& source) const {
  FileSet set;
  for (const PlannedFile& file : files) {
    auto encoded = file.format->encode(source, options);
    if (!encoded) return fail(encoded.error());
    for (NamedBytes& each : *encoded) {
      // A directory's name ends with "*".
      std::string name =
          each.name.empty() ? file.name : file.name.substr(0, file.name.size() - 1) + each.name;
      set.files.push_back({.name = std::move(name),
                           .content = std::move(each.bytes),
                           .mode = file.mode,
                           .owner = file.owner,
                           .contents = file.contents});
    }
  }
  return set;
}

std::vector<std::string> FilePlan::names_with(Contents any) const {
  std::vector<std::string> out;
  for (const PlannedFile& file : files) {
    if (holds(file.contents, any)) out.push_back(file.name);
  }
  return out;
}

}  // namespace spiffe::output
