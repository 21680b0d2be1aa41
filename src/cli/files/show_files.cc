#include "cli/files/show_files.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdint>
#include <functional>

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <sys/stat.h>

#include "base/fd.hh"
#include "base/openssl.hh"
#include "base/text.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/files/input_file.hh"
#include "cli/text/cat.hh"
#include "identity/ec_group.hh"
#include "identity/private_key.hh"
#include "output/directory.hh"
#include "output/own_names.hh"

namespace spiffe::cli {

namespace {

constexpr std::size_t kMaxFiles = 20'000;  // of a directory: two for each of 9,000 trust domains, and more

std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view(".") : path.substr(0, slash);
}

// Standard input is compared with all files.
bool together(const std::string& one, const std::string& other) {
  return is_standard_input(one) || is_standard_input(other) || directory_of(one) == directory_of(other);
}

// The first file in the directory of `file`, which may be `file` itself, for which `found` returns true.
const ShownFile* beside(const std::vector<ShownFile>& files, const ShownFile& file,
                        const std::function<bool(const Explained&)>& found) {
  for (const ShownFile& each : files) {
    if (each.explained && together(each.path, file.path) && found(*each.explained)) return &each;
  }
  return nullptr;
}

// Whether the helper accepts this type of key, so that it can check the key more strictly.
bool usual(const EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind != EVP_PKEY_EC) return kind == EVP_PKEY_RSA || kind == EVP_PKEY_ED25519;
  std::array<char, 80> group{};
  std::size_t size = 0;
  return EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
         identity::ec_group(OBJ_sn2nid(group.data())) != nullptr;
}

bool belongs(const Explained& key, const identity::Certificate& leaf) {
  bool same = false;
  if (!usual(key.key.get())) {
    const X509* complete = leaf.x509();
    const EVP_PKEY* other = complete != nullptr ? X509_get0_pubkey(complete) : nullptr;
    same = other != nullptr && EVP_PKEY_eq(key.key.get(), other) == 1;
  } else {
    same = identity::check_private_key(key.pkcs8.bytes(), leaf.x509_without_key()).has_value();
  }
  ERR_clear_error();
  return same;
}

bool has_leaf(const Explained& file) {
  return !file.certificates.empty() && !is_authority(file.certificates.front());
}

bool is_bundle(const Explained& file) {
  return !file.certificates.empty() && std::ranges::all_of(file.certificates, is_authority);
}

void relate_key(const std::vector<ShownFile>& files, ShownFile& file) {
  Explained& key = *file.explained;
  Json& json = key.json["private_key"]["belongs_to"];
  if (!key.certificates.empty()) {
    if (!belongs(key, key.certificates.front()))
      return key.problem("the key is another certificate's", Problem::mixed);
    key.rows.row("belongs to", "the certificate");
    json = file.path;
    return;
  }
  const ShownFile* leaf = beside(files, file, [&key](const Explained& each) {
    return has_leaf(each) && belongs(key, each.certificates.front());
  });
  if (leaf != nullptr) {
    key.rows.row("belongs to", spoken_path(leaf->path));
    json = leaf->path;
  } else if (const ShownFile* other = beside(files, file, has_leaf)) {
    const ShownFile* second = beside(files, file, [other](const Explained& each) {
      return has_leaf(each) && &each != &*other->explained;
    });
    key.problem(second == nullptr ? "it does not belong to " + spoken_path(other->path)
                                  : "it belongs to none of the certificates beside it",
                Problem::mixed);
  } else {
    key.rows.row("belongs to", "no certificate here");
  }
}

void relate_svid(const std::vector<ShownFile>& files, ShownFile& file, WallTime now) {
  Explained& svid = *file.explained;
  Json& json = svid.json["verified_by"] = nullptr;
  std::string reason;
  const ShownFile* bundle = beside(files, file, [&](const Explained& each) {
    if (!is_bundle(each)) return false;
    const identity::X509Bundle trusted{svid.svid->id.trust_domain(), each.certificates};
    const auto verified = identity::verify_chain(*svid.svid, trusted, now);
    if (verified) return true;
    if (reason.empty()) reason = verified.error().error.message;
    return false;
  });
  if (bundle != nullptr) {
    svid.rows.row("verified", "by " + spoken_path(bundle->path));
    json = bundle->path;
  } else if (reason.empty()) {
    svid.rows.row("verified", "no: there is no bundle beside it");
  } else {
    const bool expired = svid.svid->leaf().not_after() <= now;
    svid.problem("does not verify: " + reason, expired ? Problem::expired : Problem::other);
  }
}

void relate_token(const std::vector<ShownFile>& files, ShownFile& file, WallTime now) {
  Explained& token = *file.explained;
  Json& json = token.json["verified_by"] = nullptr;
  std::string reason;
  const auto id = identity::SpiffeId::parse(token.json.value("spiffe_id", std::string()));
  if (!id) return;
  const ShownFile* bundle = beside(files, file, [&](const Explained& each) {
    if (!each.jwt_bundles) return false;
    identity::JwtBundles bundles = *each.jwt_bundles;
    // A lone JWK Set contains no name; it is used for the token's trust domain.
    const auto lone = identity::TrustDomain::parse(kLoneDomain);
    if (const auto* set = lone ? bundles.find(*lone) : nullptr) {
      bundles.bundles.insert_or_assign(id->trust_domain(), *set);
    }
    const auto verified =
        identity::JwtSvid::parse_and_verify(token.token.clone(), {}, id->str(), bundles, now);
    if (verified) return true;
    if (reason.empty()) reason = verified.error().message;
    return false;
  });
  if (bundle != nullptr) {
    token.rows.row("verified", "by " + spoken_path(bundle->path));
    json = bundle->path;
  } else if (reason.empty()) {
    token.rows.row("verified", "no: there is no JWT bundle beside it");
  } else {
    const std::string expires = token.json["expires_at"].is_string() ? token.json["expires_at"] : "";
    const bool expired = !expires.empty() && expires <= rfc3339(now);
    token.problem("does not verify: " + reason, expired ? Problem::expired : Problem::other);
  }
}

// Every entry must be a file beside it. Says nothing if it may not know all of them.
void relate_hints(const std::vector<ShownFile>& files, ShownFile& file) {
  const auto unknown = [&file](const ShownFile& each) {
    return together(each.path, file.path) && (!each.explained || !each.asked);
  };
  if (is_standard_input(file.path) || std::ranges::any_of(files, unknown)) return;
  for (const Json& entry : file.explained->json["hints"]) {
    const bool found = std::ranges::any_of(files, [&](const ShownFile& each) {
      return entry["fingerprint"] == each.fingerprint && together(each.path, file.path);
    });
    if (found) continue;
    file.explained->problem("no file beside it has the fingerprint of entry " + entry["id"].dump(),
                            Problem::mixed);
  }
}

}  // namespace

ShownFile show_file(const std::string& path, const Result<SecretBytes>& content, WallTime now,
                    std::size_t width, const SecretBytes* password) {
  if (!content) return {path, fail(content.error())};
  auto explained = explain(*content, now, width, password);
  if (!explained) {
    // One kind for every cause, because show does not give a verdict.
    const Error error = context(spoken_path(path), explained.error());
    return {path, fail(ErrorKind::failed, error.message, error.hint)};
  }
  return {path, *std::move(explained), "sha256:" + lower(hex(sha256(content->bytes())))};
}

void relate(std::vector<ShownFile>& files, WallTime now) {
  for (ShownFile& file : files) {
    if (!file.explained || !file.asked) continue;
    if (file.explained->key) relate_key(files, file);
    if (file.explained->svid) relate_svid(files, file, now);
    if (!file.explained->token.empty()) relate_token(files, file, now);
    if (file.explained->json["kind"] == "hints") relate_hints(files, file);
  }
}

namespace {

const char* kind_of(mode_t mode) {
  if (S_ISSOCK(mode)) return "socket";
  return S_ISFIFO(mode) ? "pipe" : "device";
}

}  // namespace

Result<ShownDirectory> look_into(const std::string& path) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno(escape(path), errno);
  ShownDirectory out{
      .path = path, .layout = "plain", .generation = {}, .files = {}, .passed_over = {}, .left_out = 0};
  const output::OwnNames own;
  const auto listed = output::for_each_entry(directory.get(), [&](std::string_view name) {
    struct stat info{};
    const std::string copy(name);
    if (name.starts_with("..")) return;
    if (out.files.size() >= kMaxFiles) {
      ++out.left_out;
      return;
    }
    const bool there = ::fstatat(directory.get(), copy.c_str(), &info, 0) == 0;
    if (there && S_ISDIR(info.st_mode)) return;
    std::string full = path.ends_with('/') ? path + copy : cat({path, "/", copy});
    if (there && !S_ISREG(info.st_mode)) {
      out.passed_over.push_back({std::move(full), kind_of(info.st_mode)});
    } else {
      out.files.push_back(std::move(full));
    }
  });
  if (!listed) return fail(context(escape(path), listed.error()));
  std::ranges::sort(out.files);
  std::ranges::sort(out.passed_over, {}, &PassedOver::path);
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(directory.get(), own.data().c_str(), target.data(), target.size());
  const std::string_view live(target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  if (own.is_generation(live)) {
    out.layout = "snapshot";
    out.generation = own.id_of(live);
  }
  return out;
}

WallTime generation_time(const std::string& id) {
  std::int64_t nanoseconds = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), nanoseconds, 16);
  return error == std::errc{} ? WallTime(std::chrono::nanoseconds(nanoseconds)) : WallTime();
}

}  // namespace spiffe::cli
