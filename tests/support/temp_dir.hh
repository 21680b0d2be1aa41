// A directory that exists as long as the object.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace spiffe::test {

class TempDir {
 public:
  // Below /dev/shm (memory) or /var/tmp (usually a disk).
  explicit TempDir(const std::string& parent = "/dev/shm") : path_(parent + "/spiffe-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace spiffe::test
