#include "output/write_error.hh"

#include <cerrno>

#include "support/catch.hh"

using namespace spiffe;
using output::cannot_write;
using output::hint_of_write;

TEST_CASE("a write error has the path, the reason, the call and a hint") {
  const Error error = cannot_write("/certs/..lock", "open", EACCES).error();
  CHECK(error.message == "cannot write /certs/..lock: permission denied (open)");
  CHECK(error.kind == ErrorKind::io);
  CHECK(error.sys == EACCES);
  CHECK(error.hint == hint_of_write(EACCES));
  CHECK(error.hint.ends_with("set fsGroup or runAsUser"));
}

TEST_CASE("the errors that occur in practice each have a hint") {
  for (const int code : {EACCES, EPERM, EROFS, ENOSPC, EDQUOT, ENOTDIR, ELOOP, EISDIR, EMFILE, ENFILE, EIO}) {
    CAPTURE(code);
    CHECK_FALSE(hint_of_write(code).empty());
  }
  CHECK(hint_of_write(EROFS).find("readOnlyRootFilesystem") != std::string::npos);
  CHECK(hint_of_write(EROFS).find("ReadWritePaths=") != std::string::npos);
  CHECK(output::hint_of_missing_directory(false).ends_with("create_cert_dir = true"));
  CHECK(output::hint_of_missing_directory(true).empty());
}
