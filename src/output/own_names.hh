// The names that a helper uses for itself in a directory of outputs. All begin with "..", which outputs must
// not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace spiffe::output {

// The first helper of a directory uses "..lock", "..data", "..gen.<id>" and "..tmp.<id>". A helper with other
// outputs in the same directory inserts a hash of its names ("..gen.<hash>.<id>"). No helper touches names
// with another hash.
class OwnNames {
 public:
  explicit OwnNames(std::string_view hash = {});

  [[nodiscard]] const std::string& lock() const { return lock_; }
  [[nodiscard]] const std::string& data() const { return data_; }
  [[nodiscard]] std::string generation(std::string_view id) const { return generation_ + std::string(id); }
  [[nodiscard]] std::string temporary(std::string_view id) const { return temporary_ + std::string(id); }
  [[nodiscard]] bool is_generation(std::string_view name) const { return carries(name, generation_); }
  [[nodiscard]] bool is_temporary(std::string_view name) const { return carries(name, temporary_); }
  // The id in the name of a generation.
  [[nodiscard]] std::string id_of(std::string_view generation) const {
    return std::string(generation.substr(generation_.size()));
  }
  // The target of the leaf's symlink: "..data/<leaf>".
  [[nodiscard]] std::string leaf_target(std::string_view leaf) const {
    return data_ + '/' + std::string(leaf);
  }

 private:
  static bool carries(std::string_view name, std::string_view prefix) {
    return name.size() > prefix.size() && name.starts_with(prefix) &&
           name.find_first_of("./", prefix.size()) == std::string_view::npos;
  }
  std::string lock_;
  std::string data_;
  std::string generation_;
  std::string temporary_;
};

// Whether `target` has the form of the symlink for `leaf` of any helper, this or another.
[[nodiscard]] bool is_helper_link(std::string_view target, std::string_view leaf);

// 16 hexadecimal digits that identify a set of names, in any order.
[[nodiscard]] std::string hash_of_names(std::span<const std::string> names);

// Names for temporaries, each used only once. Call reseed() if a name was already taken.
class TemporaryNames {
 public:
  TemporaryNames() { reseed(); }
  [[nodiscard]] std::string next(const OwnNames& names);
  void reseed();

 private:
  std::uint64_t random_ = 0;
  std::uint64_t counter_ = 0;
};

// An id for a new generation: the wall clock in nanoseconds, so that a listing shows generations in order.
[[nodiscard]] std::string new_generation_id();

}  // namespace spiffe::output
