#include "workload/x509_inbox.hh"

#include <atomic>
#include <string>
#include <thread>

#include "support/catch.hh"
#include "support/pki.hh"

using spiffe::workload::X509Inbox;
using spiffe::workload::X509Rules;
namespace test = spiffe::test;

namespace {

// The loop's side, which records calls as text. "u<name>": a message; "j<name>", "r<name>": a verdict.
struct InboxFixture {
  explicit InboxFixture(std::size_t selections = 1) : inbox(std::vector<X509Rules>(selections)) {}

  test::Ca ca;
  X509Inbox inbox;
  int notified = 0;
  std::shared_ptr<char> alive = std::make_shared<char>();
  std::vector<std::string> heard;

  void receive(const std::string& name, const std::function<void()>& notify) {
    inbox.receive(test::material(ca, "spiffe://example.org/" + name), notify);
  }
  void receive(const std::string& name) {
    receive(name, [this] { ++notified; });
  }
  void look() {
    const auto name = [](const spiffe::workload::X509Update& update) {
      return update.context()->svid.id.str().substr(std::string("spiffe://example.org/").size());
    };
    inbox.look(alive,
               {.on_update = [&](const auto& updates) { heard.push_back("u" + name(*updates.front())); },
                .on_judged =
                    [&](std::size_t, const auto& update) {
                      heard.push_back((update->verdict().refusal ? "r" : "j") + name(*update));
                    }});
  }
};

}  // namespace

TEST_CASE("a message is passed on before it is verified, and its verdict follows") {
  InboxFixture fixture;
  bool first = true;
  fixture.receive("a", [&] {
    fixture.look();
    if (std::exchange(first, false)) CHECK(fixture.heard == std::vector<std::string>{"ua"});
  });
  CHECK(fixture.heard == std::vector<std::string>{"ua", "ja"});
}

TEST_CASE("of messages that were not taken only the last counts, and one notification is enough") {
  InboxFixture fixture;
  for (const char* name : {"a", "b", "c"}) fixture.receive(name);
  CHECK(fixture.notified == 1);
  fixture.look();
  CHECK(fixture.heard == std::vector<std::string>{"uc", "jc"});
  fixture.look();
  CHECK(fixture.heard.size() == 2);
}

TEST_CASE("a message that was passed on gets its verdict, whatever comes after it") {
  InboxFixture fixture;
  bool first = true;
  fixture.receive("a", [&] {
    if (std::exchange(first, false)) fixture.look();  // takes only the first
  });
  fixture.receive("b");
  fixture.receive("c");
  fixture.look();
  CHECK(fixture.heard == std::vector<std::string>{"ua", "ja", "uc", "jc"});
}

TEST_CASE("each selection has its own verdict") {
  InboxFixture fixture(3);
  std::vector<std::size_t> after;
  fixture.receive("a", [&] {
    fixture.look();
    after.push_back(fixture.heard.size());
  });
  CHECK(after == std::vector<std::size_t>{1, 2, 3, 4});
}

TEST_CASE("no callback is called after the source is destroyed") {
  InboxFixture fixture(3);
  fixture.receive("a");
  fixture.inbox.look(fixture.alive, {.on_update = [&](const auto&) { fixture.alive.reset(); },
                                     .on_judged = [](std::size_t, const auto&) { FAIL(); }});
}

TEST_CASE("two threads: every message that is passed on is verified, and the last one arrives") {
  InboxFixture fixture;
  const int count = 300;
  std::atomic<int> due = 0;
  std::atomic<bool> done = false;
  std::thread stream([&] {
    for (int i = 0; i < count; ++i) fixture.receive(std::to_string(i), [&] { ++due; });
    done = true;
  });
  for (;;) {
    const bool last = done;
    if (due.exchange(0) > 0) fixture.look();
    if (last && due == 0) break;
    std::this_thread::yield();
  }
  stream.join();
  REQUIRE(fixture.heard.size() >= 2);
  for (std::size_t i = 0; i < fixture.heard.size(); i += 2) {
    CHECK("j" + fixture.heard[i].substr(1) == fixture.heard[i + 1]);
  }
  CHECK(fixture.heard.back() == "j" + std::to_string(count - 1));
}
