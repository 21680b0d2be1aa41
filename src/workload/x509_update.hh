// A message of FetchX509SVID on its way from the stream's thread to the loop's.
#pragma once

#include <future>
#include <memory>

#include "identity/x509_context.hh"

namespace spiffe::workload {

// How messages are read.
struct X509Rules {
  identity::X509Selection selection;
  bool verify_chain = true;  // "verify = false" skips rule 22

  [[nodiscard]] bool operator==(const X509Rules&) const = default;
};

// Made and judged by one thread, used by another, which may have it before it is judged: reading and
// verifying take as long as writing the files, so the two are done side by side.
class X509Update {
 public:
  // Takes the message apart. `previous` as in X509Context::read().
  X509Update(identity::X509Material material, const X509Rules& rules, const identity::X509Context* previous);

  // Reads and verifies it at `now`. Exactly once, by the thread that made it.
  void judge(WallTime now);

  // What it says; not yet true before verdict() had nothing against it. Null where taking it apart was enough
  // to refuse it.
  [[nodiscard]] const std::shared_ptr<const identity::X509Context>& context() const { return context_; }
  // Waits for judge().
  [[nodiscard]] const identity::Verdict& verdict() const { return verdict_.get(); }
  // To be judged again when its time has come. Only after verdict().
  [[nodiscard]] identity::X509Material take_material() { return std::move(material_); }

 private:
  identity::X509Material material_;
  bool verify_chain_;
  std::shared_ptr<const identity::X509Context> context_;
  std::promise<identity::Verdict> judged_;
  std::shared_future<identity::Verdict> verdict_ = judged_.get_future().share();
  std::optional<identity::Refusal> unreadable_;
};

}  // namespace spiffe::workload
