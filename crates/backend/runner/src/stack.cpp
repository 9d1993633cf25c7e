#include "stack.h"

#include <paddle_api.h>

#include <cstring>

#include "failure.h"

namespace lite = paddle::lite_api;

namespace {

#if defined(__arm__) || defined(__aarch64__)
constexpr lite::TargetType kCpu = TARGET(kARM);
#else
constexpr lite::TargetType kCpu = TARGET(kX86);
#endif

// In the order that FastDeploy gives them (spec/paddle-lite.md B3), because it decides between kernels.
std::vector<lite::Place> places(Device device) {
  std::vector<lite::Place> places;
  if (device == Device::timvx) {
    places.emplace_back(TARGET(kNNAdapter), PRECISION(kInt8));
    places.emplace_back(TARGET(kNNAdapter), PRECISION(kFloat));
  }
  places.emplace_back(kCpu, PRECISION(kInt8));
  places.emplace_back(kCpu, PRECISION(kFloat));
  return places;
}

size_t elements(const std::vector<int64_t>& shape) {
  size_t product = 1;
  for (int64_t extent : shape) product *= static_cast<size_t>(extent);
  return product;
}

template <typename T>
std::string bytes_of(const lite::Tensor& tensor) {
  const size_t size = elements(tensor.shape()) * sizeof(T);
  return size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(tensor.data<T>()), size);
}

// IEEE 754 binary16 to binary32, exactly: nobody scores half floats.
float widened(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
  uint32_t bits = 0;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    std::memcpy(&bits, &magnitude, sizeof bits);
  } else {
    bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  }
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::string widened_bytes(const lite::Tensor& tensor) {
  std::string bytes;
  const auto* halves = tensor.data<uint16_t>();
  for (size_t i = 0; i < elements(tensor.shape()); ++i) {
    const float value = widened(halves[i]);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

OutputTensor fetched(const lite::Tensor& tensor) {
  const auto shape = tensor.shape();
  switch (tensor.precision()) {
    case PRECISION(kFloat): return {"float32", shape, bytes_of<float>(tensor)};
    case PRECISION(kFP16): return {"float32", shape, widened_bytes(tensor)};
    case PRECISION(kFP64): return {"float64", shape, bytes_of<double>(tensor)};
    case PRECISION(kInt8): return {"int8", shape, bytes_of<int8_t>(tensor)};
    case PRECISION(kUInt8): return {"uint8", shape, bytes_of<uint8_t>(tensor)};
    case PRECISION(kInt16): return {"int16", shape, bytes_of<int16_t>(tensor)};
    case PRECISION(kInt32): return {"int32", shape, bytes_of<int32_t>(tensor)};
    case PRECISION(kInt64): return {"int64", shape, bytes_of<int64_t>(tensor)};
    case PRECISION(kBool): return {"bool", shape, bytes_of<bool>(tensor)};
    default: break;
  }
  throw Failure(Fault::untestable,
                "an output has the precision " + std::to_string(static_cast<int>(tensor.precision())) + ", which is not known");
}

}  // namespace

struct Stack::Predictor {
  std::shared_ptr<lite::PaddlePredictor> lite;
};

Stack::Stack(const Arguments& arguments, const std::optional<std::string>& config) : predictor_(new Predictor) {
  lite::CxxConfig settings;
  settings.set_model_file(arguments.model);
  settings.set_param_file(arguments.params);
  settings.set_valid_places(places(arguments.device));
  settings.set_threads(arguments.threads);
  if (arguments.device == Device::timvx) {
    // The driver is loaded at the first run only, and a run that fails for want of it would look like a refused placement.
    if (!settings.check_nnadapter_device_name(arguments.nnadapter_device)) {
      throw Failure(Fault::machine, "the driver of " + arguments.nnadapter_device + " does not load: lib" + arguments.nnadapter_device +
                                        ".so and what it needs must be in LD_LIBRARY_PATH, in an SDK with NNAdapter");
    }
    settings.set_nnadapter_device_names({arguments.nnadapter_device});
    settings.set_nnadapter_context_properties(arguments.context_properties);
    if (config) settings.set_nnadapter_subgraph_partition_config_buffer(*config);
    // No model cache: its key does not hold the partition (spec/paddle-lite.md B5).
  }
  predictor_->lite = lite::CreatePaddlePredictor<lite::CxxConfig>(settings);
  if (!predictor_->lite) throw Failure(Fault::refused, "Paddle Lite gives no predictor");
}

Stack::~Stack() = default;

void Stack::run(const std::vector<Input>& inputs, const std::vector<std::vector<float>>& values) {
  const size_t wanted = predictor_->lite->GetInputNames().size();
  if (wanted != inputs.size()) {
    throw Failure(Fault::untestable, "the model has " + std::to_string(wanted) + " inputs and not " + std::to_string(inputs.size()));
  }
  // Anew for every run: an input that a cluster takes may be changed in place (spec/paddle-lite.md C5).
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto tensor = predictor_->lite->GetInput(static_cast<int>(i));
    tensor->Resize(inputs[i].shape);
    std::memcpy(tensor->mutable_data<float>(), values[i].data(), values[i].size() * sizeof(float));
  }
  predictor_->lite->Run();
}

std::vector<std::string> Stack::output_names() const { return predictor_->lite->GetOutputNames(); }

OutputTensor Stack::output(size_t index) const { return fetched(*predictor_->lite->GetOutput(static_cast<int>(index))); }
