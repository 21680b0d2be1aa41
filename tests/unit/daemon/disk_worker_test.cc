#include "daemon/disk_worker.hh"

#include "support/catch.hh"

using spiffe::daemon::SharedDiskWorker;

TEST_CASE("users at the same time share one disk worker, which ends with the last of them") {
  SharedDiskWorker shared;
  auto first = shared.get();
  auto second = shared.get();
  REQUIRE((first.has_value() && second.has_value()));
  CHECK(first->get() == second->get());
  std::weak_ptr<spiffe::daemon::DiskWorker> seen = *first;
  *first = nullptr;
  CHECK_FALSE(seen.expired());
  *second = nullptr;
  CHECK(seen.expired());
  CHECK(shared.get().has_value());
}

TEST_CASE("a drained disk worker has finished its jobs") {
  SharedDiskWorker shared;
  auto worker = shared.get();
  REQUIRE(worker.has_value());
  int done = 0;
  for (int i = 0; i < 3; ++i) (*worker)->submit([&done] { ++done; });
  (*worker)->drain();
  CHECK(done == 3);
}
