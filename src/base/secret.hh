// Buffers for private keys and for data that contains them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <vector>

namespace spiffe {

// OPENSSL_cleanse: zeroes memory in a way that the compiler cannot optimize away.
void cleanse(void* data, std::size_t size);

// An allocator that zeroes every block before it is freed, so that a growing vector leaves no copy behind.
template <class T>
struct CleansingAllocator {
  using value_type = T;
  CleansingAllocator() = default;
  template <class U>
  CleansingAllocator(const CleansingAllocator<U>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) {
    cleanse(p, n * sizeof(T));
    ::operator delete(p);
  }
  bool operator==(const CleansingAllocator&) const { return true; }
};

// Bytes that are zeroed when freed. Not copied implicitly: a copy must be requested by name.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit SecretBytes(std::string_view text) { append(text); }
  SecretBytes(SecretBytes&&) = default;
  SecretBytes& operator=(SecretBytes&&) = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() = default;

  [[nodiscard]] SecretBytes clone() const { return SecretBytes(bytes()); }
  void append(std::span<const std::byte> more) { bytes_.insert(bytes_.end(), more.begin(), more.end()); }
  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }
  void reserve(std::size_t n) { bytes_.reserve(n); }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] const unsigned char* uchars() const {
    return reinterpret_cast<const unsigned char*>(bytes_.data());
  }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] bool operator==(const SecretBytes& other) const { return bytes_ == other.bytes_; }

 private:
  std::vector<std::byte, CleansingAllocator<std::byte>> bytes_;
};

}  // namespace spiffe
