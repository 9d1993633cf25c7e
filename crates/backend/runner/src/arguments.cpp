#include "arguments.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fstream>

#include "failure.h"

namespace {

[[noreturn]] void untestable(const std::string& text) { throw Failure(Fault::untestable, text); }

size_t number(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  const bool starts_with_digit = !text.empty() && text[0] >= '0' && text[0] <= '9';
  if (!starts_with_digit || *end != '\0' || errno != 0 || value > INT_MAX) untestable(text + " is no number");
  return value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end; (end = text.find(separator, start)) != std::string::npos; start = end + 1) {
    parts.push_back(text.substr(start, end - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

// `FILE=1,3,32,32`
Input input(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos) untestable("--input " + text + " has no shape");
  Input input{text.substr(0, equals), {}};
  for (const auto& extent : split(text.substr(equals + 1), ',')) {
    input.shape.push_back(static_cast<int64_t>(number(extent)));
  }
  return input;
}

// `0-15,18`
std::vector<size_t> ranges(const std::string& text) {
  std::vector<size_t> samples;
  for (const auto& part : split(text, ',')) {
    const size_t dash = part.find('-');
    const size_t first = number(part.substr(0, dash));
    const size_t last = dash == std::string::npos ? first : number(part.substr(dash + 1));
    for (size_t sample = first; sample <= last; ++sample) samples.push_back(sample);
  }
  return samples;
}

Device device(const std::string& name) {
  if (name == "cpu") return Device::cpu;
  if (name == "timvx") return Device::timvx;
  untestable("--device " + name + " is not known: use timvx or cpu");
}

}  // namespace

size_t Input::elements() const {
  size_t elements = 1;
  for (int64_t extent : shape) elements *= static_cast<size_t>(extent);
  return elements;
}

std::vector<float> Input::read(size_t sample) const {
  std::vector<float> values(elements());
  const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(float));
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(sample) * bytes);
  stream.read(reinterpret_cast<char*>(values.data()), bytes);
  if (!stream) throw Failure(Fault::machine, file + " has no whole sample " + std::to_string(sample));
  return values;
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) untestable(flag + " needs a value");
    const std::string value = argv[i + 1];
    if (flag == "--device") arguments.device = device(value);
    else if (flag == "--model") arguments.model = value;
    else if (flag == "--params") arguments.params = value;
    else if (flag == "--input") arguments.inputs.push_back(input(value));
    else if (flag == "--samples") arguments.samples = ranges(value);
    else if (flag == "--threads") arguments.threads = static_cast<int>(number(value));
    else if (flag == "--nnadapter-device") arguments.nnadapter_device = value;
    else if (flag == "--context-properties") arguments.context_properties = value;
    else untestable(flag + " is not known");
  }
  if (arguments.model.empty()) untestable("--model is needed");
  if (arguments.params.empty()) untestable("--params is needed");
  return arguments;
}
