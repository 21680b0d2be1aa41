#include "output/temporaries.hh"

#include <cerrno>
#include <cstdio>
#include <utility>

#include <unistd.h>

#include "output/file_writer.hh"

namespace spiffe::output {

namespace {

// Failing this often requires another process to guess 64 random bits each time.
constexpr int kNameAttempts = 16;

}  // namespace

Temporaries::~Temporaries() {
  while (next_ < names_.size()) drop_next();
}

Result<void> Temporaries::add_file(const Item& item, const Ownership& ownership) {
  for (int attempt = 1;; ++attempt) {
    std::string name = place_->temporaries.next(place_->names);
    const auto fd = create_file(*place_, place_->fd(), name, item, ownership);
    if (fd) {
      names_.push_back(std::move(name));
      return sync_file(*place_, item, fd->get());
    }
    if (fd.error().sys != EEXIST || attempt == kNameAttempts) return fail(fd.error());
    place_->temporaries.reseed();
  }
}

Result<void> Temporaries::add_link(const std::string& leaf, const std::string& target) {
  int code = EEXIST;
  for (int attempt = 0; attempt < kNameAttempts && code == EEXIST; ++attempt) {
    std::string name = place_->temporaries.next(place_->names);
    if (::symlinkat(target.c_str(), place_->fd(), name.c_str()) == 0) {
      names_.push_back(std::move(name));
      return {};
    }
    code = errno;
    place_->temporaries.reseed();
  }
  auto error = place_->directory.fail_at(leaf, "symlink", code);
  // The errors of VFAT and some network file systems.
  if (code == EPERM || code == EOPNOTSUPP) {
    error.error().hint = "if this file system has no symlinks, set layout = \"files\"";
  }
  return error;
}

int Temporaries::rename_next(const std::string& name) {
  if (::renameat(place_->fd(), names_[next_].c_str(), place_->fd(), name.c_str()) != 0) return errno;
  ++next_;
  return 0;
}

void Temporaries::drop_next() {
  ::unlinkat(place_->fd(), names_[next_++].c_str(), 0);
}

}  // namespace spiffe::output
