#include "workload/x509_update.hh"

#include <utility>

namespace spiffe::workload {

X509Update::X509Update(identity::X509Material material, const X509Rules& rules,
                       const identity::X509Context* previous)
    : material_(std::move(material)), verify_chain_(rules.verify_chain) {
  auto context = identity::X509Context::read(material_, rules.selection, previous);
  if (context) {
    context_ = std::make_shared<const identity::X509Context>(*std::move(context));
  } else {
    unreadable_ = std::move(context).error();
  }
}

void X509Update::judge(WallTime now) {
  if (unreadable_) {
    judged_.set_value({.refusal = std::move(unreadable_), .findings = {}});
  } else {
    judged_.set_value(context_->verify(material_, now, verify_chain_));
  }
}

}  // namespace spiffe::workload
