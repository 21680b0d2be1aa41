// A message of FetchX509SVID, passed from the stream's thread to the loop.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "identity/x509_context.hh"

namespace spiffe::workload {

// How to read a message.
struct X509Rules {
  identity::X509Selection selection;
  bool verify_chain = true;  // false with "verify = false": everything but the chain is checked
  bool every_svid = false;   // also the SVIDs other than the selected one: X509Context::add_further()

  // Whether contexts that were read with `other` can be used with these rules.
  [[nodiscard]] bool reads_as(const X509Rules& other) const {
    return selection == other.selection && every_svid == other.every_svid;
  }

  [[nodiscard]] bool operator==(const X509Rules&) const = default;
};

// One selection of a message. One thread makes and verifies it, another uses it, and may use its context
// before it is verified: verification takes as long as writing the files, so both run at the same time.
class X509Update {
 public:
  using Material = std::shared_ptr<identity::X509Material>;

  // Parses the message. `previous` and `sibling` as in X509Context::read().
  X509Update(Material material, const X509Rules& rules, const identity::X509Context* previous,
             const identity::X509Context* sibling = nullptr);

  // One update for each of the rules. `previous` is parallel to `rules`.
  static std::vector<std::shared_ptr<X509Update>> read(
      const Material& material, const std::vector<X509Rules>& rules,
      const std::vector<std::shared_ptr<const identity::X509Context>>& previous);

  // Verifies it at `now`. To be called exactly once, by the thread that made it.
  void judge(WallTime now);

  // The parsed content, not to be published before verdict() has accepted it. Null if the message could not
  // be parsed.
  [[nodiscard]] const std::shared_ptr<const identity::X509Context>& context() const { return context_; }
  // The result of judge(), which must have returned.
  [[nodiscard]] const identity::Verdict& verdict() const { return verdict_; }
  // The message, shared by its updates, for another judge() at its NotBefore. The owner of the only update
  // may change it after judge().
  [[nodiscard]] const Material& material() const { return material_; }

 private:
  Material material_;
  bool verify_chain_;
  identity::Others others_;
  std::shared_ptr<const identity::X509Context> context_;
  identity::Verdict verdict_;  // set by the constructor if the message cannot be parsed
};

}  // namespace spiffe::workload
