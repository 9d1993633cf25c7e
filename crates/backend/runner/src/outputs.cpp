#include "outputs.h"

#include <utility>

#include "failure.h"
#include "json.h"

OutputFile::OutputFile(size_t index, std::string name)
    : name_(std::move(name)), file_("out" + std::to_string(index) + ".raw"), stream_(file_, std::ios::binary) {}

void OutputFile::append(const OutputTensor& tensor) {
  // A model may give a single number without an axis.
  const auto shape = tensor.shape.empty() ? std::vector<int64_t>{1} : tensor.shape;
  if (dtype_.empty()) {
    dtype_ = tensor.dtype;
    shape_ = shape;
  } else if (dtype_ != tensor.dtype || shape.size() != shape_.size() || !std::equal(shape.begin() + 1, shape.end(), shape_.begin() + 1)) {
    throw Failure(Fault::untestable, name_ + " is not shaped alike for all samples");
  } else {
    shape_[0] += shape[0];
  }
  stream_.write(tensor.bytes.data(), static_cast<std::streamsize>(tensor.bytes.size()));
  hash_.update(tensor.bytes.data(), tensor.bytes.size());
  bytes_ += tensor.bytes.size();
}

std::string OutputFile::finish() {
  stream_.close();
  if (!stream_) throw Failure(Fault::machine, file_ + " cannot be written");
  std::string shape;
  for (int64_t extent : shape_) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
  return "{\"name\":" + json_string(name_) + ",\"dtype\":\"" + dtype_ + "\",\"shape\":[" + shape + "],\"file\":\"" + file_ +
         "\",\"bytes\":" + std::to_string(bytes_) + ",\"sha256\":\"" + hash_.finish() + "\"}";
}
