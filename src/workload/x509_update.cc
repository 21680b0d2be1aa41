#include "workload/x509_update.hh"

#include <utility>

#include "base/clock.hh"

namespace spiffe::workload {

X509Update::X509Update(Material material, const X509Rules& rules, const identity::X509Context* previous,
                       const identity::X509Context* sibling)
    : material_(std::move(material)), verify_chain_(rules.verify_chain) {
  auto context = identity::X509Context::read(*material_, rules.selection, previous, sibling);
  if (context) {
    if (rules.every_svid)
      others_.selected = context->add_further(*material_, rules.selection, wall_now(), rules.verify_chain);
    context_ = std::make_shared<const identity::X509Context>(*std::move(context));
  } else {
    verdict_.refusal = std::move(context).error();
  }
}

std::vector<std::shared_ptr<X509Update>> X509Update::read(
    const Material& material, const std::vector<X509Rules>& rules,
    const std::vector<std::shared_ptr<const identity::X509Context>>& previous) {
  std::vector<std::shared_ptr<X509Update>> updates;
  X509Update* first = nullptr;  // that could be parsed
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto* sibling = first == nullptr ? nullptr : first->context_.get();
    const auto& update =
        updates.emplace_back(std::make_shared<X509Update>(material, rules[i], previous[i].get(), sibling));
    if (update->context_ == nullptr) continue;
    if (first == nullptr) {
      first = update.get();
    } else {
      auto& examined = first->others_.selected;
      examined.push_back(update->context_->selected);
      examined.insert(examined.end(), update->others_.selected.begin(), update->others_.selected.end());
      update->others_.examined = true;
    }
  }
  return updates;
}

void X509Update::judge(WallTime now) {
  if (context_ != nullptr) verdict_ = context_->verify(*material_, now, verify_chain_, others_);
}

}  // namespace spiffe::workload
