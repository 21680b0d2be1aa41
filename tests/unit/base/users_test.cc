#include "base/users.hh"

#include "support/catch.hh"

using namespace spiffe;

TEST_CASE("users and groups are found by name and by number") {
  CHECK(find_user("root") == 0u);
  CHECK(find_group("root") == 0u);
  CHECK(find_user("daemon") == 1u);
  CHECK(find_user("0") == 0u);
  CHECK(find_user("4294967294") == 4294967294u);
  CHECK(find_group("65534") == 65534u);
}

TEST_CASE("an unknown name is refused and shown") {
  const auto user = find_user("no-such\nuser");
  REQUIRE_FALSE(user);
  CHECK(user.error().kind == ErrorKind::config);
  CHECK(user.error().message == "no user is called \"no-such\\nuser\" in /etc/passwd");
  CHECK(find_group("no-such").error().message == "no group is called \"no-such\" in /etc/group");
  CHECK_FALSE(find_user(""));
  CHECK_FALSE(find_user("-1"));
  CHECK_FALSE(find_user("roo"));
}

TEST_CASE("the number that means \"unchanged\" is not a user") {
  CHECK_FALSE(find_user("4294967295"));
  CHECK_FALSE(find_user("4294967296"));
}
