// Updates for the tests of this folder.
#pragma once

#include <memory>
#include <utility>

#include "workload/x509_update.hh"

namespace spiffe::daemon::test {

// An update with its verdict, as the source passes it on.
inline std::shared_ptr<workload::X509Update> judged(identity::X509Material material) {
  auto made = std::make_shared<workload::X509Update>(
      std::make_shared<identity::X509Material>(std::move(material)), workload::X509Rules{}, nullptr);
  made->judge(wall_now());
  return made;
}

}  // namespace spiffe::daemon::test
