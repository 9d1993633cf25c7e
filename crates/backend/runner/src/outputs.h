// The files of a trial's outputs: one an output, all samples joined along the first axis.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "sha256.h"
#include "stack.h"

class OutputFile {
 public:
  OutputFile(size_t index, std::string name);

  void append(const OutputTensor& tensor);

  // Closes the file; the entry that describes it in the manifest, as JSON.
  std::string finish();

 private:
  std::string name_;
  std::string file_;
  std::ofstream stream_;
  Sha256 hash_;
  std::string dtype_;
  std::vector<int64_t> shape_;
  size_t bytes_ = 0;
};
