#include "json.h"

#include <cstdio>

namespace {

// The length of the UTF-8 sequence that starts at `at`, or 0 where there is none.
size_t sequence(const std::string& bytes, size_t at) {
  const auto byte = [&](size_t i) { return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U; };
  const auto continued = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return continued(1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    const bool overlong = first == 0xE0 && second < 0xA0, surrogate = first == 0xED && second >= 0xA0;
    return continued(1) && continued(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first < 0xF5) {
    const bool overlong = first == 0xF0 && second < 0x90, too_large = first == 0xF4 && second >= 0x90;
    return continued(1) && continued(2) && continued(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string json_string(const std::string& bytes) {
  std::string text = "\"";
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = sequence(bytes, at);
    const char byte = bytes[at];
    if (length == 0) {
      text += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      text += {'\\', byte};
    } else if (length == 1 && static_cast<unsigned char>(byte) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
      text += escape;
    } else {
      text.append(bytes, at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return text + '"';
}

std::string json_number(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", number);
  return text;
}
