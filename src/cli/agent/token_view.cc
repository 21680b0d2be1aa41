#include "cli/agent/token_view.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"
#include "cli/agent/identity_text.hh"
#include "cli/text/lifetime.hh"
#include "cli/text/terminal.hh"
#include "identity/jws.hh"
#include "identity/jwt_svid.hh"

namespace spiffe::cli {

TokenView view_of(const identity::JwtSvidMaterial& token, std::span<const std::string> audiences,
                  const identity::JwtBundles& bundles, WallTime now) {
  TokenView view;
  view.id = escape(token.spiffe_id, kMaxShown);
  view.hint = escape(token.hint, kMaxShown);
  if (const auto jws = identity::Jws::parse(token.token.text())) {
    view.algorithm = identity::algorithm_name(jws->algorithm);
    view.key_id = escape(jws->key_id, kMaxShown);
  }
  const auto svid =
      identity::JwtSvid::parse_and_verify(token.token.clone(), audiences, token.spiffe_id, bundles, now);
  if (!svid) {
    view.problem = svid.error().message;
    return view;
  }
  for (const std::string& audience : svid->audiences) view.audiences.push_back(escape(audience, kMaxShown));
  view.issued_at = svid->issued_at;
  view.expires_at = svid->expires_at;
  return view;
}

std::string text_of(const TokenView& view, WallTime now, const Terminal& terminal) {
  TextTable rows(std::min<std::size_t>(terminal.width, 80), 2);
  if (!view.hint.empty()) rows.row("hint", view.hint);
  std::string label = "audience";
  for (const std::string& audience : view.audiences) rows.row(std::exchange(label, {}), audience);
  if (view.issued_at) rows.row("issued", rfc3339(*view.issued_at));
  if (view.expires_at) {
    rows.row(
        {"expires", rfc3339(*view.expires_at) + ", " + time_left(WallTime::min(), *view.expires_at, now)});
  }
  if (!view.algorithm.empty()) rows.row("signed", view.algorithm + " by key " + view.key_id);
  const std::string out = paint(terminal, Colour::bold, view.id) + "\n";
  if (!view.problem.empty())
    return out + with_last_row(std::move(rows), "bad", view.problem, Colour::red, terminal);
  return out + with_last_row(std::move(rows), "good", "the signature is that of the trust domain",
                             Colour::green, terminal);
}

Json json_of(const TokenView& view, WallTime now) {
  Json out;
  const auto put_time = [&out](const char* name, const std::optional<WallTime>& at) {
    if (at) {
      put(out, name, rfc3339(*at));
    } else {
      out[name] = nullptr;
    }
  };
  put(out, "spiffe_id", view.id);
  put(out, "hint", view.hint);
  put_flag(out, "good", view.problem.empty());
  put(out, "problem", view.problem);
  put(out, "audiences", view.audiences);
  put_time("issued_at", view.issued_at);
  put_time("expires_at", view.expires_at);
  if (view.expires_at) {
    put(out, "remaining_seconds", seconds_left(*view.expires_at, now));
  } else {
    out["remaining_seconds"] = nullptr;
  }
  put(out, "algorithm", view.algorithm);
  put(out, "key_id", view.key_id);
  return out;
}

}  // namespace spiffe::cli
