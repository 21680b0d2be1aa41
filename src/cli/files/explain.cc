#include "cli/files/explain.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/files/explain_json.hh"
#include "cli/files/key_block.hh"
#include "cli/files/pem_blocks.hh"
#include "cli/files/pkcs12_file.hh"
#include "cli/files/token_text.hh"
#include "cli/text/cat.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;

std::unexpected<Error> unknown(std::string message, std::string hint = {}) {
  return fail(ErrorKind::failed, std::move(message), std::move(hint));
}

// Judged by the daemon's rules, except that the chain is not verified here.
void judge_leaf(Explained& out, const identity::Bytes& der) {
  if (is_authority(out.certificates.front()))
    return out.problem("not an SVID: the first certificate is a CA; put the leaf first, then its issuers");
  const auto id = identity::leaf_id(out.certificates.front());
  if (!id) return out.problem("not an SVID: " + id.error().message);
  identity::X509SvidMaterial material;
  material.spiffe_id = id->str();
  material.certificates = der;
  std::vector<std::string> warnings;
  auto svid = identity::X509Svid::read(material, warnings, out.certificates);
  if (!svid) return out.problem("not an SVID: " + svid.error().message);
  out.svid = *std::move(svid);
  out.json["spiffe_id"] = id->str();
  for (const std::string& warning : warnings) out.rows.row("warning", warning);
  out.json["warnings"] = warnings;
}

void list(Explained& out, std::size_t first, const char* label, WallTime now) {
  const std::size_t count = out.certificates.size();
  for (std::size_t i = first; i < std::min(count, first + kMaxListed); ++i)
    out.rows.row(label, certificate_line(out.certificates[i], now));
  if (count > first + kMaxListed)
    out.rows.row("", cat({"and ", std::to_string(count - first - kMaxListed), " more"}));
}

// `out` has at least one certificate.
void describe_certificates(Explained& out, const identity::Bytes& der, WallTime now) {
  Json& list_of = out.json["certificates"] = Json::array();
  for (const Certificate& each : out.certificates) list_of.push_back(certificate_json(each, now));
  const std::size_t count = out.certificates.size();
  if (std::ranges::all_of(out.certificates, is_authority)) {
    out.json["kind"] = "bundle";
    out.title = cat({"bundle of ", std::to_string(count), (count == 1 ? " authority" : " authorities")});
    if (count == 1) return certificate_rows(out.rows, out.certificates[0], now);
    return list(out, 0, "authority", now);
  }
  certificate_rows(out.rows, out.certificates[0], now);
  list(out, 1, "issued by", now);
  judge_leaf(out, der);
  out.json["kind"] = out.svid ? "x509-svid" : "certificate";
  out.title = out.svid ? "X.509-SVID" : "certificate";
  if (count > 1) out.title += " with " + std::to_string(count - 1) + " intermediate" + (count > 2 ? "s" : "");
}

void take_key(Explained& out, const PemBlock& block) {
  auto read = read_key(block);
  if (read) out.key = std::move(read->key);
  const std::string name = key_name(out.key.get());
  out.rows.row(out.certificates.empty() ? "key" : "private key",
               out.key ? cat({name, " (", escape(block.label), ")"}) : "cannot be read");
  out.json["private_key"] = {{"type", name}, {"format", escape(block.label)}};
  if (!read) return out.problem(read.error().message);
  out.pkcs8 = std::move(read->pkcs8);
}

Result<Explained> explain_blocks(const std::vector<PemBlock>& blocks, WallTime now, std::size_t width) {
  Explained out;
  out.rows = TextTable(width, kRowIndent);
  identity::Bytes der;
  const PemBlock* key = nullptr;
  std::size_t keys = 0;
  std::string others;
  for (const PemBlock& block : blocks) {
    const auto bytes = block.der.bytes();
    if (block.label == "CERTIFICATE") {
      der.insert(der.end(), bytes.begin(), bytes.end());
    } else if (is_private_key(block)) {
      key = &block;
      ++keys;
    } else {
      others += (others.empty() ? "" : ", ") + escape(block.label);
    }
  }
  if (der.empty() && key == nullptr) return unknown("holds neither certificate nor key, but " + others);
  if (!der.empty()) {
    auto chain = Certificate::parse_concatenated(der);
    if (!chain) return unknown(chain.error().message);
    out.certificates = *std::move(chain);
    describe_certificates(out, der, now);
  }
  if (key != nullptr) {
    take_key(out, *key);
    out.json["kind"] = der.empty() ? "private-key" : "combined";
    out.title = der.empty() ? "private key" : out.title + " with its private key";
  }
  if (keys > 1) out.problem(cat({"holds ", std::to_string(keys), " private keys"}));
  if (!others.empty()) out.rows.row("also", others);
  return out;
}

Result<Explained> explain_pem(std::string_view text, WallTime now, std::size_t width) {
  const auto blocks = parse_pem(text);
  if (blocks) return explain_blocks(*blocks, now, width);
  const Error& error = blocks.error();
  return unknown(error.message, error.hint.empty() ? "the file is torn, or no PEM" : error.hint);
}

Result<Explained> explain_pkcs12(const SecretBytes& content, const SecretBytes* password, WallTime now,
                                 std::size_t width) {
  const auto blocks = pkcs12_blocks(content, password);
  if (!blocks) return unknown(blocks.error().message, blocks.error().hint);
  auto out = explain_blocks(*blocks, now, width);
  if (!out) return out;
  out->title += ", in PKCS#12";
  out->json["container"] = "pkcs12";
  return out;
}

Result<Explained> explain_token(const SecretBytes& content, WallTime now, std::size_t width) {
  const auto token = read_token(content.text());
  if (!token) return unknown(token.error().message);
  Explained out;
  out.rows = TextTable(width, kRowIndent);
  out.title = "JWT-SVID";
  describe_token(out, *token, now);
  out.token = SecretBytes(trimmed(content.text()));
  return out;
}

Result<Explained> explain_der(const SecretBytes& content, WallTime now, std::size_t width) {
  auto chain = Certificate::parse_concatenated(content.bytes());
  if (!chain) return unknown("neither PEM, JSON nor a token, and no DER certificate or PKCS#12 either");
  Explained out;
  out.rows = TextTable(width, kRowIndent);
  out.certificates = *std::move(chain);
  describe_certificates(out, {content.bytes().begin(), content.bytes().end()}, now);
  return out;
}

}  // namespace

void Explained::problem(const std::string& what, Problem kind) {
  problems.push_back(kind);
  rows.row("problem", what);
  json["problems"].push_back(what);
}

Result<Explained> explain(const SecretBytes& content, WallTime now, std::size_t width,
                          const SecretBytes* password) {
  const std::string_view text = content.text();
  if (trimmed(text).empty())
    return unknown("is empty", "whoever wrote it was interrupted, or the disk is full");
  auto out = [&]() -> Result<Explained> {
    if (text.find("-----BEGIN ") != std::string_view::npos) return explain_pem(text, now, width);
    if (trimmed(text).starts_with('{') || trimmed(text).starts_with('['))
      return explain_json(text, width, now);
    if (looks_like_token(text)) return explain_token(content, now, width);
    if (is_pkcs12(content)) return explain_pkcs12(content, password, now, width);
    return explain_der(content, now, width);
  }();
  if (out && !out->json.contains("problems")) out->json["problems"] = Json::array();
  return out;
}

}  // namespace spiffe::cli
