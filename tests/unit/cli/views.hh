// Messages for the tests of fetch's and watch's text; the clock is fixed at test::kNow.
#pragma once

#include <sstream>
#include <string>

#include "cli/agent/x509_view.hh"
#include "cli/text/terminal.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::cli {

inline const std::string kWeb = "spiffe://example.org/web";

inline identity::X509Material message(const test::Ca& ca,
                                      std::initializer_list<identity::X509SvidMaterial*> svids) {
  identity::X509Material material;
  for (auto* svid : svids) {
    svid->bundle = ca.root_der();
    material.svids.push_back(std::move(*svid));
  }
  return material;
}

inline identity::X509SvidMaterial svid(const test::Ca& ca, const std::string& id = kWeb,
                                       std::string hint = {}) {
  auto material = test::svid_material(ca, test::leaf(id));
  material.hint = std::move(hint);
  return material;
}

inline identity::X509Material message(const test::Ca& ca, identity::X509SvidMaterial only) {
  return message(ca, {&only});
}

inline X509View seen(const identity::X509Material& material) {
  return view_of(material, test::kNow);
}

inline bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

inline void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(length(line) <= 80);
  }
}

}  // namespace spiffe::cli
