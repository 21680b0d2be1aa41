#include "base/chore.hh"

#include <memory>
#include <string>

#include "support/catch.hh"

using spiffe::Chore;
using spiffe::Loop;

TEST_CASE("a task posted during a chore waits for one piece of it") {
  const auto loop = *Loop::create();
  std::string seen;
  int pieces = 0;
  Chore* self = nullptr;
  Chore chore(*loop, [&] {
    seen += 'p';
    if (++pieces == 1) loop->post([&] { seen += 'x'; });
    if (pieces < 3) {
      self->wake();
    } else {
      loop->stop();
    }
  });
  self = &chore;
  chore.wake();
  chore.wake();  // a second call does not add a piece
  CHECK(seen.empty());
  loop->run();
  CHECK(seen == "pxpp");
}

TEST_CASE("a dropped chore does nothing more") {
  const auto loop = *Loop::create();
  bool done = false;
  auto chore = std::make_unique<Chore>(*loop, [&] { done = true; });
  chore->wake();
  chore.reset();
  loop->post([&] { loop->stop(); });
  loop->run();
  CHECK_FALSE(done);
}
