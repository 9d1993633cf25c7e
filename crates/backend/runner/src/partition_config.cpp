#include "partition_config.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "failure.h"

namespace {

constexpr const char* kOwnFile = "subgraph.txt";
constexpr const char* kFileVariable = "SUBGRAPH_PARTITION_CONFIG_FILE";
constexpr const char* kBufferVariable = "SUBGRAPH_PARTITION_CONFIG_BUFFER";

std::optional<std::string> find() {
  if (access(kOwnFile, F_OK) == 0) return read_file(kOwnFile);
  if (const char* path = std::getenv(kFileVariable)) return read_file(path);
  if (const char* buffer = std::getenv(kBufferVariable)) return std::string(buffer);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> partition_config() {
  auto config = find();
  unsetenv(kFileVariable);
  unsetenv(kBufferVariable);
  return config;
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  // Of an empty file nothing can be inserted, which is no failure to read.
  if (!stream) throw Failure(Fault::machine, path + " cannot be read");
  return bytes.str();
}
