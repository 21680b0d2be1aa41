// Any bytes as a YAML document: read, bound and validated. The document must read back the same from the
// writer's output.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bind_input.hh"
#include "config/comments.hh"
#include "config/yaml_reader.hh"
#include "config/yaml_writer.hh"

using namespace spiffe::config;

namespace {

// The writer leaves out keys that are not set.
void drop_null(Value& value) {
  std::erase_if(value.entries, [](const Entry& entry) { return entry.value.kind == Value::Kind::null; });
  for (Entry& entry : value.entries) drop_null(entry.value);
  for (Value& item : value.items) drop_null(item);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz::read_and_bind(input, Format::yaml);
  auto document = parse_yaml(input, std::string(fuzz::kSource));
  if (!document) return 0;
  const std::vector<std::string> last = attach_comments(*document);
  drop_null(document->root);
  const auto text = to_yaml(document->root);
  fuzz::require(text.has_value());
  // Indentation may make it larger than the limit for a document.
  if (text->size() > kMaxDocumentSize / 2) return 0;
  const auto again = parse_yaml(*text + comment_text(last), std::string(fuzz::kSource));
  fuzz::require(again && again->root.same_as(document->root));
  return 0;
}
