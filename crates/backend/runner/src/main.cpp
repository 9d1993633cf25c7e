// Serves one trial of the trial protocol (docs/boards.md "The trial's folder") in the current folder: the model is loaded once under
// the trial's partition config, runs a batch of raw tensors, and `result.json` appears last. The stack works in a child process.

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>

#include "arguments.h"
#include "child.h"
#include "failure.h"
#include "json.h"
#include "outputs.h"
#include "partition_config.h"
#include "sha256.h"
#include "stack.h"

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Loads, runs and writes the outputs; the manifest's `tensors` and `timings`, as JSON.
std::string run_samples(const Arguments& arguments, const std::optional<std::string>& config, ToParent& parent) {
  parent.stage("while it loaded the model");
  const auto loading = Clock::now();
  // Never taken down, which may hang; the child ends without it.
  Stack& stack = *new Stack(arguments, config);
  const double load_ms = milliseconds_since(loading);

  std::vector<OutputFile> files;
  std::vector<double> run_ms;
  for (size_t sample : arguments.samples) {
    std::vector<std::vector<float>> values;
    for (const auto& input : arguments.inputs) values.push_back(input.read(sample));
    parent.stage(run_ms.empty() ? "in its first run, which compiles the clusters" : "in run " + std::to_string(run_ms.size() + 1));
    const auto running = Clock::now();
    stack.run(arguments.inputs, values);
    run_ms.push_back(milliseconds_since(running));
    if (files.empty()) {
      for (const auto& name : stack.output_names()) files.emplace_back(files.size(), name);
    }
    for (size_t i = 0; i < files.size(); ++i) files[i].append(stack.output(i));
  }

  std::string tensors, later;
  for (auto& file : files) tensors += (tensors.empty() ? "" : ",") + file.finish();
  for (size_t i = 1; i < run_ms.size(); ++i) later += (i == 1 ? "" : ",") + json_number(run_ms[i]);
  std::string timings = "\"load_ms\":" + json_number(load_ms);
  if (!run_ms.empty()) timings += ",\"first_run_ms\":" + json_number(run_ms[0]);
  parent.stage("");
  return "\"tensors\":[" + tensors + "],\"timings\":{" + timings + ",\"run_ms\":[" + later + "]}";
}

// In the child: the exit code says whose fault it was, the message why.
int work(const Arguments& arguments, const std::optional<std::string>& config, ToParent& parent) {
  const auto fail = [&](Fault fault, const char* text) {
    parent.result(text);
    return static_cast<int>(fault);
  };
  try {
    parent.result(run_samples(arguments, config, parent));
    return 0;
  } catch (const Failure& failure) {
    return fail(failure.fault, failure.what());
  } catch (const std::bad_alloc&) {
    return fail(Fault::machine, "there is no memory left");
  } catch (const std::exception& error) {
    return fail(Fault::refused, error.what());
  } catch (...) {
    return fail(Fault::refused, "the stack threw something that is no exception");
  }
}

// Signals that a program brings on itself; others come from outside and say nothing about the placement.
bool is_own_doing(int signal) {
  for (int own : {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS}) {
    if (signal == own) return true;
  }
  return false;
}

// What the child's end says; throws unless the trial ran.
void judge(const Ending& ending) {
  const std::string when = ending.stage.empty() ? "" : " " + ending.stage;
  if (WIFSIGNALED(ending.status)) {
    const int signal = WTERMSIG(ending.status);
    const std::string what = "signal " + std::to_string(signal) + " (" + strsignal(signal) + ") ended the stack" + when;
    throw Failure(is_own_doing(signal) ? Fault::refused : Fault::machine, what);
  }
  const int code = WEXITSTATUS(ending.status);
  for (Fault fault : {Fault::refused, Fault::machine, Fault::untestable}) {
    if (code == static_cast<int>(fault) && !ending.result.empty()) {
      throw Failure(fault, fault == Fault::refused ? ending.result + when : ending.result);
    }
  }
  if (code != 0 || ending.result.empty()) {
    throw Failure(Fault::refused, "the stack ended its process itself (exit code " + std::to_string(code) + ")" + when);
  }
}

// Whoever sees `result.json` sees all of it.
void report(const std::string& nonce, const std::optional<std::string>& config, const std::string& outcome) {
  const std::string used = config ? '"' + sha256(*config) + '"' : "null";
  std::ofstream stream("result.part", std::ios::binary);
  stream << "{\"version\":1,\"nonce\":" << json_string(nonce) << ",\"config_sha256\":" << used << ',' << outcome << "}\n";
  stream.close();
  if (!stream || std::rename("result.part", "result.json") != 0) throw Failure(Fault::machine, "result.json cannot be written");
}

void serve(int argc, char** argv) {
  const Arguments arguments = parse_arguments(argc, argv);
  const std::string nonce = read_file("nonce");
  for (const auto& file : {arguments.model, arguments.params}) {
    if (access(file.c_str(), R_OK) != 0) throw Failure(Fault::untestable, file + " cannot be read");
  }
  // Without the NPU nothing is partitioned.
  const auto config = arguments.device == Device::timvx ? partition_config() : std::nullopt;
  Ending ending;
  try {
    if (config && config->empty()) {
      throw Failure(Fault::refused, "subgraph.txt is empty, on which Paddle Lite crashes: leave it out to force nothing");
    }
    ending = in_child([&](ToParent& parent) { return work(arguments, config, parent); });
    judge(ending);
  } catch (const Failure& failure) {
    if (failure.fault == Fault::refused) {
      report(nonce, config, "\"failed\":{\"reason\":" + json_string(failure.what()) + ",\"stderr\":" + json_string(ending.last_words) + "}");
    }
    throw;
  }
  report(nonce, config, ending.result);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    serve(argc, argv);
    return 0;
  } catch (const Failure& failure) {
    std::fprintf(stderr, "npu-runner: %s\n", failure.what());
    return static_cast<int>(failure.fault);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "npu-runner: %s\n", error.what());
    return static_cast<int>(Fault::machine);
  }
}
