// A message of FetchX509SVID on its way from the stream's thread to the loop's.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "identity/x509_context.hh"

namespace spiffe::workload {

// How messages are read.
struct X509Rules {
  identity::X509Selection selection;
  bool verify_chain = true;  // "verify = false" skips rule 22
  bool every_svid = false;   // also the SVIDs beside the selected one: X509Context::add_further()

  // Whether contexts that were read by the other one do here.
  [[nodiscard]] bool reads_as(const X509Rules& other) const {
    return selection == other.selection && every_svid == other.every_svid;
  }

  [[nodiscard]] bool operator==(const X509Rules&) const = default;
};

// A selection of a message. Made and judged by one thread, used by another, which may have its context before
// it is judged: verifying takes as long as writing the files, so the two are done side by side.
class X509Update {
 public:
  using Material = std::shared_ptr<identity::X509Material>;

  // Takes the message apart. `previous` and `sibling` as in X509Context::read().
  X509Update(Material material, const X509Rules& rules, const identity::X509Context* previous,
             const identity::X509Context* sibling = nullptr);

  // One for each of the rules. `previous`: of each of them.
  static std::vector<std::shared_ptr<X509Update>> read(
      const Material& material, const std::vector<X509Rules>& rules,
      const std::vector<std::shared_ptr<const identity::X509Context>>& previous);

  // Verifies it at `now`. Exactly once, by the thread that made it.
  void judge(WallTime now);

  // What it says; not yet true before verdict() had nothing against it. Null where taking it apart was enough
  // to refuse it.
  [[nodiscard]] const std::shared_ptr<const identity::X509Context>& context() const { return context_; }
  // What judge() found, which must have returned.
  [[nodiscard]] const identity::Verdict& verdict() const { return verdict_; }
  // The message, shared by its updates: to be judged again when its time has come. Whoever has the only
  // update may change it once it is judged.
  [[nodiscard]] const Material& material() const { return material_; }

 private:
  Material material_;
  bool verify_chain_;
  identity::Others others_;
  std::shared_ptr<const identity::X509Context> context_;
  identity::Verdict verdict_;  // where the message cannot be read, from the start
};

}  // namespace spiffe::workload
