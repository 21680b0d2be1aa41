#include "cli/text/json_text.hh"

namespace spiffe::cli {

std::string json_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string json_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void put(Json& object, const char* name, std::string_view value) {
  object[name] = value;
}

void put(Json& object, const char* name, long long value) {
  object[name] = value;
}

void put_flag(Json& object, const char* name, bool value) {
  object[name] = value;
}

void put(Json& object, const char* name, const std::vector<std::string>& values) {
  Json& list = put_list(object, name);
  for (const std::string& value : values) list.push_back(value);
}

Json& put_list(Json& object, const char* name) {
  return object[name] = Json::array();
}

Json& put_object(Json& list) {
  return list.emplace_back(Json::object());
}

}  // namespace spiffe::cli
