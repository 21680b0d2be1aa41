#include "identity/json.hh"

#include <string>
#include <utility>
#include <vector>

namespace spiffe::identity {

namespace {

using nlohmann::json;

// Builds the value while nlohmann-json parses. Its own builder lets a second member with the same name
// replace the first, and has no limit of depth.
class Builder final : public json::json_sax_t {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(json::number_integer_t value) override { return put(value); }
  bool number_unsigned(json::number_unsigned_t value) override { return put(value); }
  bool number_float(json::number_float_t value, const json::string_t&) override { return put(value); }
  bool string(json::string_t& value) override { return put(std::move(value)); }
  bool binary(json::binary_t&) override { return false; }  // never occurs in JSON text

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(json::string_t& name) override {
    const auto [member, added] = open_.back()->get_ref<json::object_t&>().emplace(std::move(name), nullptr);
    member_ = &member->second;
    if (!added) why_ = "an object has a member twice";
    return added;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& error) override {
    why_ = error.id == 406 ? "a number is out of range" : "not JSON at byte " + std::to_string(position);
    return false;
  }

  [[nodiscard]] const std::string& why() const { return why_; }
  json take() { return std::move(root_); }

 private:
  template <class T>
  bool put(T&& value) {
    static_cast<void>(place(json(std::forward<T>(value))));
    return true;
  }

  bool open(json value) {
    if (open_.size() >= kMaxJsonDepth) {
      why_ = "more than " + std::to_string(kMaxJsonDepth) + " levels deep";
      return false;
    }
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  json* place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) return &parent.get_ref<json::array_t&>().emplace_back(std::move(value));
    *member_ = std::move(value);
    return member_;
  }

  json root_;
  std::vector<json*> open_;  // from the outside in; only the innermost array grows
  json* member_ = nullptr;   // where the value of the key just read goes
  std::string why_;
};

}  // namespace

Result<json> parse_json(std::string_view text, std::size_t max_size) {
  if (text.size() > max_size) {
    return fail(ErrorKind::verification,
                std::to_string(text.size()) + " bytes, more than " + std::to_string(max_size));
  }
  // nlohmann-json takes a NUL for the end of the text and skips a byte order mark. JSON allows neither, and
  // other parsers would understand the same bytes differently.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::verification, "not JSON at byte " + std::to_string(nul + 1));
  }
  if (text.starts_with("\xEF\xBB\xBF")) return fail(ErrorKind::verification, "not JSON at byte 1");
  Builder builder;
  if (!json::sax_parse(text, &builder)) return fail(ErrorKind::verification, builder.why());
  return builder.take();
}

const std::string* string_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? found->get_ptr<const std::string*>() : nullptr;
}

}  // namespace spiffe::identity
