#include "base/result.hh"

#include <cerrno>

#include "base/openssl.hh"
#include "base/secret.hh"
#include "support/catch.hh"

using namespace spiffe;

TEST_CASE("context grows outward and keeps the rest") {
  const Error error = context("publish certs", Error{ErrorKind::io, "rename ..data", "look there", EACCES});
  CHECK(error.message == "publish certs: rename ..data");
  CHECK(error.kind == ErrorKind::io);
  CHECK(error.hint == "look there");
  CHECK(error.sys == EACCES);
}

TEST_CASE("a failed system call is an io error with its number, in lower case") {
  const Result<> result = fail_errno("open /x", ENOENT);
  CHECK(result.error().message == "open /x: no such file or directory");
  CHECK(result.error().kind == ErrorKind::io);
  CHECK(result.error().sys == ENOENT);
  CHECK(errno_text(EACCES) == "permission denied");
  CHECK(errno_text(EIO) == "input/output error");
  CHECK(errno_text(99999) == "errno 99999");
}

TEST_CASE("fail keeps kind and hint") {
  const Result<int> result = fail(ErrorKind::config, "wrong", "do this");
  CHECK(result.error().kind == ErrorKind::config);
  CHECK(result.error().message == "wrong");
  CHECK(result.error().hint == "do this");
  const Result<int> plain = fail("just so");
  CHECK(plain.error().kind == ErrorKind::failed);
  CHECK(plain.error().sys == 0);
}

TEST_CASE("secret bytes are copied only by clone()") {
  static_assert(!std::is_copy_constructible_v<SecretBytes> &&
                std::is_nothrow_move_constructible_v<SecretBytes>);
  SecretBytes a("key");
  const SecretBytes b = a.clone();
  CHECK(a == b);
  a.append(" more");
  CHECK(a.text() == "key more");
  CHECK(b.text() == "key");
  CHECK(a.size() == 8);
  const SecretBytes moved = std::move(a);
  CHECK(moved.text() == "key more");
  CHECK(SecretBytes().empty());
}

TEST_CASE("cleanse leaves zeroes") {
  char text[] = "secret";
  cleanse(text, sizeof text);
  for (const char c : text) CHECK(c == 0);
}

TEST_CASE("an OpenSSL error is taken only once") {
  const unsigned char junk[] = {1, 2, 3};
  const unsigned char* in = junk;
  CHECK(d2i_X509(nullptr, &in, sizeof junk) == nullptr);
  CHECK_FALSE(take_openssl_error().empty());
  CHECK(take_openssl_error().empty());
}
