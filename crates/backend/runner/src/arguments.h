// The command line, which is that of every runner (docs/boards.md "A search on boards").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

enum class Device { cpu, timvx };

// A file of float32 tensors, one a sample, one behind the other.
struct Input {
  std::string file;
  std::vector<int64_t> shape;  // of one sample

  size_t elements() const;
  std::vector<float> read(size_t sample) const;
};

struct Arguments {
  Device device = Device::timvx;
  std::string model;
  std::string params;
  std::vector<Input> inputs;
  std::vector<size_t> samples;  // none: only load the model
  int threads = 1;
  std::string nnadapter_device = "verisilicon_timvx";
  std::string context_properties;  // for the NPU's driver: "KEY=value;"
};

// Throws an untestable `Failure` that says which word is wrong.
Arguments parse_arguments(int argc, char** argv);
