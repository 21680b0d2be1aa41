#include "cli/files/pem_blocks.hh"

#include <algorithm>

#include "base/base64.hh"
#include "base/text.hh"
#include "cli/text/cat.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMaxLabel = 64;

// Decodes `body`, ignoring white space.
std::optional<SecretBytes> decode(std::string_view body) {
  SecretBytes plain;
  plain.reserve(body.size());
  constexpr std::string_view kSpace = " \t\r\n";
  while (!body.empty()) {
    const std::size_t end = std::min(body.find_first_of(kSpace), body.size());
    plain.append(body.substr(0, end));
    body.remove_prefix(end);
    body.remove_prefix(std::min(body.find_first_not_of(kSpace), body.size()));
  }
  return base64_decode(plain.text());
}

}  // namespace

Result<std::vector<PemBlock>> parse_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  for (;;) {
    const std::size_t begin = text.find(kBegin);
    if (begin == std::string_view::npos) return blocks;
    text.remove_prefix(begin + kBegin.size());
    const std::size_t label_end = text.substr(0, kMaxLabel).find(kDashes);
    const std::string which = "PEM block " + std::to_string(blocks.size() + 1);
    if (label_end == std::string_view::npos) return fail(ErrorKind::verification, which + " has no label");
    const std::string label(text.substr(0, label_end));
    const std::string named = cat({which, " (", escape(label), ")"});
    text.remove_prefix(label_end + kDashes.size());
    const std::string last = cat({"-----END ", label, kDashes});
    const std::size_t end = text.find(last);
    // The rest of this block must not extend into the next one.
    if (end == std::string_view::npos || text.substr(0, end).find(kBegin) != std::string_view::npos)
      return fail(ErrorKind::verification, named + " is cut off: it has no end");
    const std::string_view body = text.substr(0, end);
    text.remove_prefix(end + last.size());
    if (body.find(':') != std::string_view::npos) {
      return fail(ErrorKind::verification, named + " has headers: it is encrypted, most likely",
                  "openssl pkey -in FILE writes it without a passphrase");
    }
    auto der = decode(body);
    if (!der || der->empty()) return fail(ErrorKind::verification, named + " is not base64");
    blocks.push_back({label, *std::move(der)});
  }
}

}  // namespace spiffe::cli
