// Paddle Lite, as much of it as a trial needs. The only file that knows its headers is the one behind this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"

// One output of one run.
struct OutputTensor {
  const char* dtype;  // as a manifest names it
  std::vector<int64_t> shape;
  std::string bytes;  // row-major, as the machine has them: little-endian on every board
};

// A model that is loaded under a partition config.
class Stack {
 public:
  // Loads the model; Paddle Lite prints its block "subgraph operators" now. Throws, or aborts the process.
  Stack(const Arguments& arguments, const std::optional<std::string>& config);
  ~Stack();

  // Runs one sample: one tensor for each input of the model, in the order of its feeds. The first run compiles every cluster.
  void run(const std::vector<Input>& inputs, const std::vector<std::vector<float>>& values);

  std::vector<std::string> output_names() const;

  // Of the last run, in the order of the model's fetches.
  OutputTensor output(size_t index) const;

 private:
  struct Predictor;
  std::unique_ptr<Predictor> predictor_;
};
