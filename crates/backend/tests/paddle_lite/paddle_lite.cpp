// A Paddle Lite for tests of npu-runner: it has `sim-runner` (the macro or the variable SIM_RUNNER names it) load and run the model, and
// treats its process as the real one does: it aborts when a placement is refused, and misbehaves as PADDLE_LITE_FAULT wishes.

#include <paddle_api.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace paddle {
namespace lite_api {
namespace {

struct Raw {
  shape_t shape;
  std::string bytes;
};

[[noreturn]] void fatal(const std::string& text) {
  std::fprintf(stderr, "[F 11/23  2:22: 1.395 engine.cc:150 Build] %s\n", text.c_str());
  std::abort();
}

bool wished(const char* fault) {
  const char* wish = std::getenv("PADDLE_LITE_FAULT");
  return wish != nullptr && std::strcmp(wish, fault) == 0;
}

const char* sim_runner() {
#ifdef SIM_RUNNER
  return SIM_RUNNER;
#else
  return std::getenv("SIM_RUNNER");
#endif
}

void misbehave(const std::string& where) {
  if (wished(("abort-" + where).c_str())) fatal("Failed to compile tim-vx graph!");
  if (wished(("segfault-" + where).c_str())) raise(SIGSEGV);
  if (wished(("killed-" + where).c_str())) raise(SIGKILL);
  if (wished(("exit-" + where).c_str())) std::exit(0);
  if (wished(("throw-" + where).c_str())) throw std::runtime_error("Unsupported operation");
  if (wished(("hang-" + where).c_str())) {
    while (true) pause();
  }
}

std::string slurp(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string absolute(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fatal("cannot open " + path);
  const std::string text = resolved;
  std::free(resolved);
  return text;
}

class SimulatedPredictor : public PaddlePredictor {
 public:
  explicit SimulatedPredictor(const CxxConfig& config) {
    // In the trial's folder, with which it goes away.
    char folder[] = "paddle-lite-XXXXXX";
    if (mkdtemp(folder) == nullptr) fatal("no temporary folder");
    folder_ = absolute(folder);
    const bool npu = config.valid_places().front().target == TARGET(kNNAdapter);
    if (npu && config.nnadapter_device_names() != std::vector<std::string>{"verisilicon_timvx"}) fatal("no such device");
    words_ = {sim_runner(), "--device", npu ? "timvx" : "cpu", "--model", absolute(config.model_file()),
              "--params", absolute(config.param_file())};
    spill(folder_ + "/nonce", "0");
    const std::string& partition = config.nnadapter_subgraph_partition_config_buffer();
    if (!partition.empty()) spill(folder_ + "/subgraph.txt", partition);
    simulate(words_);
    std::cout << slurp(folder_ + "/stdout") << std::flush;
    inputs_.resize(1);
    misbehave("at-load");
  }

  ~SimulatedPredictor() override { misbehave("in-teardown"); }

  std::unique_ptr<Tensor> GetInput(int i) override { return std::make_unique<Tensor>(static_cast<void*>(&inputs_[i])); }

  std::unique_ptr<const Tensor> GetOutput(int i) const override { return std::make_unique<const Tensor>(static_cast<const void*>(&outputs_[i])); }

  void Run() override {
    auto words = words_;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const std::string file = folder_ + "/input" + std::to_string(i);
      spill(file, inputs_[i].bytes);
      std::string shape;
      for (int64_t extent : inputs_[i].shape) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
      words.insert(words.end(), {"--input", file + "=" + shape});
    }
    words.insert(words.end(), {"--samples", "0"});
    simulate(words);
    take_outputs(slurp(folder_ + "/result.json"));
    misbehave("in-run");
  }

  std::string GetVersion() const override { return "test"; }
  std::vector<std::string> GetInputNames() override { return std::vector<std::string>(inputs_.size(), "x"); }
  std::vector<std::string> GetOutputNames() override { return names_; }
  std::unique_ptr<Tensor> GetInputByName(const std::string&) override { return GetInput(0); }
  std::unique_ptr<const Tensor> GetTensor(const std::string& name) const override { fatal("no tensor " + name); }

 private:
  void simulate(const std::vector<std::string>& words) const {
    std::vector<char*> arguments;
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const bool ready = chdir(folder_.c_str()) == 0 && std::freopen("stdout", "w", stdout) != nullptr;
      if (ready) execv(arguments[0], arguments.data());
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) return;
    std::cout << slurp(folder_ + "/stdout") << std::flush;
    fatal("the placement is refused");
  }

  // Of each `"name":"…"` and `"shape":[…]` of the manifest, in their order; the files are out0.raw, out1.raw, …
  void take_outputs(const std::string& manifest) {
    names_.clear();
    outputs_.clear();
    const std::string name_key = "\"name\":\"", shape_key = "\"shape\":[";
    for (size_t at = 0; (at = manifest.find(name_key, at)) != std::string::npos;) {
      at += name_key.size();
      names_.push_back(manifest.substr(at, manifest.find('"', at) - at));
      at = manifest.find(shape_key, at) + shape_key.size();
      std::istringstream extents(manifest.substr(at, manifest.find(']', at) - at));
      Raw output{{}, slurp(folder_ + "/out" + std::to_string(outputs_.size()) + ".raw")};
      for (std::string extent; std::getline(extents, extent, ',');) output.shape.push_back(std::stoll(extent));
      outputs_.push_back(output);
    }
  }

  std::string folder_;
  std::vector<std::string> words_;
  std::vector<Raw> inputs_;
  std::vector<Raw> outputs_;
  std::vector<std::string> names_;
};

Raw& raw(void* tensor) { return *static_cast<Raw*>(tensor); }

}  // namespace

Tensor::Tensor(void* raw) : raw_tensor_(raw) {}
Tensor::Tensor(const void* raw) : raw_tensor_(const_cast<void*>(raw)) {}
void Tensor::Resize(const shape_t& shape) { raw(raw_tensor_).shape = shape; }
shape_t Tensor::shape() const { return raw(raw_tensor_).shape; }

PrecisionType Tensor::precision() const { return PRECISION(kFloat); }

template <typename T>
const T* Tensor::data() const {
  return reinterpret_cast<const T*>(raw(raw_tensor_).bytes.data());
}

template <typename T>
T* Tensor::mutable_data(TargetType) const {
  size_t elements = 1;
  for (int64_t extent : shape()) elements *= static_cast<size_t>(extent);
  raw(raw_tensor_).bytes.resize(elements * sizeof(T));
  return reinterpret_cast<T*>(&raw(raw_tensor_).bytes[0]);
}

template const bool* Tensor::data<bool>() const;
template const double* Tensor::data<double>() const;
template const float* Tensor::data<float>() const;
template const int16_t* Tensor::data<int16_t>() const;
template const int32_t* Tensor::data<int32_t>() const;
template const int64_t* Tensor::data<int64_t>() const;
template const int8_t* Tensor::data<int8_t>() const;
template const uint16_t* Tensor::data<uint16_t>() const;
template const uint8_t* Tensor::data<uint8_t>() const;
template float* Tensor::mutable_data<float>(TargetType) const;

ConfigBase::ConfigBase(PowerMode, int) {}
void ConfigBase::set_threads(int) {}
bool ConfigBase::check_nnadapter_device_name(const std::string& name) { return name == "verisilicon_timvx" && !wished("no-driver"); }

template <>
std::shared_ptr<PaddlePredictor> CreatePaddlePredictor(const CxxConfig& config) {
  return std::make_shared<SimulatedPredictor>(config);
}

}  // namespace lite_api
}  // namespace paddle
