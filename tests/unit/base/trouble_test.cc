#include "base/trouble.hh"

#include "support/catch.hh"

using namespace spiffe;
using namespace std::chrono_literals;
using Say = Trouble::Say;

namespace {

BootTime at(std::chrono::nanoseconds since_start) {
  return BootTime(since_start);
}

}  // namespace

TEST_CASE("an error that lasts is reported at its beginning and every five minutes") {
  Trouble trouble(at(1s));
  CHECK(trouble.failed("no disk", at(1s)) == Say::begins);
  CHECK(trouble.failed("no disk", at(2s)) == Say::nothing);
  CHECK(trouble.failed("no disk", at(300s)) == Say::nothing);
  CHECK(trouble.failed("no disk", at(301s)) == Say::lasts);
  CHECK(trouble.failed("no disk", at(600s)) == Say::nothing);
  CHECK(trouble.failed("no disk", at(650s)) == Say::lasts);
  CHECK(trouble.failed("no disk", at(949s)) == Say::nothing);
  CHECK(trouble.lasted(at(949s)) == 948s);
}

TEST_CASE("an error without further attempts is reported again as well") {
  Trouble trouble(at(0s));
  CHECK(trouble.failed("no disk", at(0s)) == Say::begins);
  CHECK(trouble.due() == at(300s));
  CHECK(trouble.look(at(299s)) == Say::nothing);
  CHECK(trouble.look(at(300s)) == Say::lasts);
  CHECK(trouble.due() == at(600s));
}

TEST_CASE("another cause is reported at once, and does not begin a new error") {
  Trouble trouble(at(0s));
  CHECK(trouble.failed("no disk", at(0s)) == Say::begins);
  CHECK(trouble.failed("no room", at(10s)) == Say::changes);
  CHECK(trouble.failed("no room", at(300s)) == Say::nothing);
  CHECK(trouble.failed("no room", at(310s)) == Say::lasts);
  CHECK(trouble.lasted(at(310s)) == 310s);
}

TEST_CASE("an error with an empty cause begins once, too") {
  Trouble trouble(at(0s));
  CHECK(trouble.failed("", at(0s)) == Say::begins);
  CHECK(trouble.failed("", at(1s)) == Say::nothing);
}
