// Stands in for the header of this name in Paddle Lite's SDK; see paddle_place.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paddle_place.h"

namespace paddle {
namespace lite_api {

using shape_t = std::vector<int64_t>;
using lod_t = std::vector<std::vector<uint64_t>>;

struct Tensor {
  explicit Tensor(void* raw);
  explicit Tensor(const void* raw);

  void Resize(const shape_t& shape);

  template <typename T>
  const T* data() const;

  template <typename T>
  T* mutable_data(TargetType type = TargetType::kHost) const;

  template <typename T, TargetType type = TargetType::kHost>
  void CopyFromCpu(const T* data);

  template <typename T>
  void CopyToCpu(T* data) const;

  shape_t shape() const;
  PrecisionType precision() const;
  lod_t lod() const;
  void SetLoD(const lod_t& lod);
  bool IsInitialized() const;

 private:
  void* raw_tensor_;
};

class PaddlePredictor {
 public:
  PaddlePredictor() = default;

  virtual std::unique_ptr<Tensor> GetInput(int i) = 0;
  virtual std::unique_ptr<const Tensor> GetOutput(int i) const = 0;
  virtual void Run() = 0;
  virtual std::string GetVersion() const = 0;
  virtual std::vector<std::string> GetInputNames() = 0;
  virtual std::vector<std::string> GetOutputNames() = 0;
  virtual std::unique_ptr<Tensor> GetInputByName(const std::string& name) = 0;
  virtual std::unique_ptr<const Tensor> GetTensor(const std::string& name) const = 0;

  virtual ~PaddlePredictor() = default;
};

class ConfigBase {
 public:
  explicit ConfigBase(PowerMode mode = LITE_POWER_NO_BIND, int threads = 1);

  void set_model_dir(const std::string& x);
  void set_threads(int threads);
  void set_power_mode(PowerMode mode);
  bool check_nnadapter_device_name(const std::string& device_name);
  void set_nnadapter_device_names(const std::vector<std::string>& device_names) { nnadapter_device_names_ = device_names; }
  void set_nnadapter_context_properties(const std::string& context_properties) { nnadapter_context_properties_ = context_properties; }
  void set_nnadapter_model_cache_dir(const std::string& model_cache_dir);
#if PADDLE_LITE_RELEASE >= 211
  void set_nnadapter_dynamic_shape_info(const std::map<std::string, std::vector<std::vector<int64_t>>>& info);
  void add_discarded_pass(const std::string pass);
#endif

 protected:
  std::vector<std::string> nnadapter_device_names_;
  std::string nnadapter_context_properties_;
};

class CxxConfig : public ConfigBase {
 public:
  void set_valid_places(const std::vector<Place>& x) { valid_places_ = x; }
  void set_model_file(const std::string& path) { model_file_ = path; }
  void set_param_file(const std::string& path) { param_file_ = path; }
  void set_model_buffer(const char* model_buffer, size_t model_size, const char* param_buffer, size_t param_size);
  void set_nnadapter_subgraph_partition_config_path(const std::string& path);
  void set_nnadapter_subgraph_partition_config_buffer(const std::string& buffer) { partition_config_ = buffer; }
#if PADDLE_LITE_RELEASE >= 211
  void set_nnadapter_mixed_precision_quantization_config_path(const std::string& path);
  void set_nnadapter_mixed_precision_quantization_config_buffer(const std::string& buffer);
#endif

  const std::vector<Place>& valid_places() const { return valid_places_; }
  std::string model_file() const { return model_file_; }
  std::string param_file() const { return param_file_; }
  const std::string& nnadapter_subgraph_partition_config_buffer() const { return partition_config_; }
  const std::vector<std::string>& nnadapter_device_names() const { return nnadapter_device_names_; }

 private:
  std::vector<Place> valid_places_;
  std::string model_file_;
  std::string param_file_;
  std::string partition_config_;
};

template <typename ConfigT>
std::shared_ptr<PaddlePredictor> CreatePaddlePredictor(const ConfigT&);

}  // namespace lite_api
}  // namespace paddle
