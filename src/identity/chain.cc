// verify_chain() of x509_svid.hh: path validation (X509-SVID, section 5.1; RFC 5280, section 6).
#include <algorithm>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/text.hh"
#include "identity/usual_path.hh"
#include "identity/x509_svid.hh"

namespace spiffe::identity {

namespace {

using Chain = std::vector<Certificate>;

// One attempt to reach one authority.
struct Attempt {
  const Chain& chain;
  const Certificate& authority;
  WallTime at;
};

// A certificate of the path, and its name in messages.
struct Named {
  const Certificate* certificate = nullptr;
  std::string name;
};

struct PathVerdict {
  int code = X509_V_ERR_UNSPECIFIED;  // X509_V_OK: good
  Named culprit;                      // the certificate that the code is about
  Named youngest;                     // the certificate of the path with the latest NotBefore
  bool weak_digest = false;
};

Named name_of(const Attempt& attempt, const X509* certificate) {
  if (certificate == nullptr) return {};
  if (certificate == attempt.authority.x509()) {
    return {&attempt.authority, "authority " + quote(attempt.authority.subject())};
  }
  for (std::size_t i = 0; i < attempt.chain.size(); ++i) {
    if (attempt.chain[i].x509() != certificate) continue;
    return {&attempt.chain[i], i == 0 ? "leaf certificate" : "intermediate certificate " + std::to_string(i)};
  }
  return {};
}

// OpenSSL 3.0 accepts these at security level 0, which is set for private CAs with unusual key sizes.
bool has_weak_digest(X509* certificate) {
  int digest = NID_undef;
  X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr);
  return digest == NID_sha1 || digest == NID_md5 || digest == NID_md4 || digest == NID_mdc2;
}

void look_at_path(const Attempt& attempt, X509_STORE_CTX* context, PathVerdict& verdict) {
  STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
  for (int i = 0; i < sk_X509_num(path); ++i) {
    X509* certificate = sk_X509_value(path, i);
    const bool anchor = certificate == attempt.authority.x509();
    if (!anchor && has_weak_digest(certificate)) {
      verdict.weak_digest = true;
      verdict.culprit = name_of(attempt, certificate);
    }
    // The youngest is only used in error messages.
    if (verdict.code == X509_V_OK) continue;
    Named named = name_of(attempt, certificate);
    const auto* youngest = verdict.youngest.certificate;
    if (named.certificate != nullptr &&
        (youngest == nullptr || named.certificate->not_before() > youngest->not_before())) {
      verdict.youngest = std::move(named);
    }
  }
}

PathVerdict verify(const Attempt& attempt) {
  const X509StorePtr store(X509_STORE_new());
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  const Owned<STACK_OF(X509), [](STACK_OF(X509) * s) { sk_X509_free(s); }> untrusted(sk_X509_new_null());
  PathVerdict verdict;
  if (!store || !context || !untrusted || !std::ranges::all_of(attempt.chain, &Certificate::x509))
    return verdict;
  for (std::size_t i = 1; i < attempt.chain.size(); ++i)
    sk_X509_push(untrusted.get(), attempt.chain[i].x509());
  if (X509_STORE_add_cert(store.get(), attempt.authority.x509()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), attempt.chain[0].x509(), untrusted.get()) != 1) {
    return verdict;
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_auth_level(parameters, 0);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(attempt.at);
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(seconds));
  const bool good = X509_verify_cert(context.get()) == 1;
  verdict.code = good ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
  if (!good) verdict.culprit = name_of(attempt, X509_STORE_CTX_get_current_cert(context.get()));
  look_at_path(attempt, context.get(), verdict);
  if (verdict.weak_digest && good) verdict.code = X509_V_ERR_CA_MD_TOO_WEAK;
  ERR_clear_error();
  return verdict;
}

bool is_about_time(int code) {
  return code == X509_V_ERR_CERT_NOT_YET_VALID || code == X509_V_ERR_CERT_HAS_EXPIRED;
}

bool is_about_issuer(int code) {
  return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
         code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
         code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

// Rounded up, so that it is never "0s".
std::string seconds_until(WallTime from, WallTime to) {
  return human(std::chrono::ceil<std::chrono::seconds>(to - from));
}

// Messages state times, not distances, so that the same error gives the same message and is logged once.
std::string not_yet_valid(const Named& who) {
  return who.name + " not yet valid: not before " + rfc3339(who.certificate->not_before());
}

// The issuer of the last certificate that the agent sent.
std::string last_issuer(const Chain& chain) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_issuer_name(chain.back().x509_without_key()), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::string no_authority(const Chain& chain, const X509Bundle& bundle) {
  constexpr std::size_t kShown = 3;
  std::string offered;
  for (std::size_t i = 0; i < bundle.authorities.size() && i < kShown; ++i) {
    offered += (i > 0 ? ", " : "") + quote(bundle.authorities[i].subject());
  }
  if (bundle.authorities.size() > kShown) offered += ", …";
  return "no authority of " + quote(bundle.trust_domain.name()) + " issued it: the chain ends at issuer " +
         quote(last_issuer(chain)) + ", the bundle holds " + std::to_string(bundle.authorities.size()) +
         " (" + offered + ")";
}

std::string text_of(const PathVerdict& verdict, const Chain& chain, const X509Bundle& bundle) {
  if (is_about_issuer(verdict.code)) return no_authority(chain, bundle);
  if (verdict.culprit.certificate == nullptr) return X509_verify_cert_error_string(verdict.code);
  const auto& [certificate, name] = verdict.culprit;
  if (verdict.code == X509_V_ERR_CERT_NOT_YET_VALID) return not_yet_valid(verdict.culprit);
  if (verdict.code == X509_V_ERR_CERT_HAS_EXPIRED)
    return name + " expired: not after " + rfc3339(certificate->not_after());
  if (verdict.weak_digest) return name + ": signed with SHA-1 or MD5";
  return name + ": " + X509_verify_cert_error_string(verdict.code);
}

// The error for `verdict`, and the time from which the chain is valid, if waiting is enough.
ChainRefusal refusal_of(const PathVerdict& verdict, const Chain& chain, const Certificate& authority,
                        const X509Bundle& bundle, WallTime now) {
  const auto refuse = [](std::string text) {
    return ChainRefusal{{ErrorKind::verification, std::move(text)}, std::nullopt};
  };
  if (verdict.code != X509_V_ERR_CERT_NOT_YET_VALID || verdict.youngest.certificate == nullptr) {
    return refuse(text_of(verdict, chain, bundle));
  }
  const WallTime begin = verdict.youngest.certificate->not_before();
  const PathVerdict then = verify({chain, authority, begin});
  std::string text = not_yet_valid(verdict.youngest);
  if (then.code != X509_V_OK) {
    return refuse(text + "; and at that time: " + text_of(then, chain, bundle));
  }
  ChainRefusal refusal = refuse(std::move(text));
  refusal.error.hint =
      "it is " + seconds_until(now, begin) +
      " too early: it is taken by itself when its time has come; is this machine's clock right?";
  refusal.valid_from = begin;
  return refusal;
}

// Whether `a` is more useful than `b` to find the cause.
bool better(const ChainRefusal& a, int code_a, const ChainRefusal& b, int code_b) {
  if (a.valid_from && b.valid_from) return *a.valid_from < *b.valid_from;
  if (a.valid_from || b.valid_from) return a.valid_from.has_value();
  if (is_about_time(code_a) != is_about_time(code_b)) return is_about_time(code_a);
  return is_about_issuer(code_b) && !is_about_issuer(code_a);
}

bool may_have_issued(const Certificate& authority, const Chain& chain) {
  if (authority.x509() == nullptr) return false;
  const X509_NAME* subject = X509_get_subject_name(authority.x509());
  return std::ranges::any_of(chain, [subject](const Certificate& c) {
    return X509_NAME_cmp(subject, X509_get_issuer_name(c.x509_without_key())) == 0;
  });
}

}  // namespace

// Tries one authority at a time: of several with the same subject and no key identifiers, OpenSSL would try
// only the first. This finds every path, because each authority is a trust anchor of its own (partial
// chains).
std::expected<void, ChainRefusal> verify_chain(const X509Svid& svid, const X509Bundle& bundle, WallTime now) {
  const Chain& chain = svid.chain;
  std::optional<ChainRefusal> best;
  int best_code = X509_V_OK;
  for (const Certificate& authority : bundle.authorities) {
    if (!may_have_issued(authority, chain)) continue;
    if (is_usual_path(chain, authority, now)) return {};
    const PathVerdict verdict = verify({chain, authority, now});
    if (verdict.code == X509_V_OK) return {};
    ChainRefusal refusal = refusal_of(verdict, chain, authority, bundle, now);
    if (best && !better(refusal, verdict.code, *best, best_code)) continue;
    best = std::move(refusal);
    best_code = verdict.code;
  }
  if (!best) best = ChainRefusal{{ErrorKind::verification, no_authority(chain, bundle)}, std::nullopt};
  return std::unexpected(*std::move(best));
}

}  // namespace spiffe::identity
