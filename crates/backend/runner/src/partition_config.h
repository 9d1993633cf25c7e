// The partition config of this trial.
#pragma once

#include <optional>
#include <string>

// Its bytes; none where nothing is to be forced to the CPU. It is looked for where Paddle Lite looks and in its order
// (spec/paddle-lite.md B2): the trial's own file, then the environment. What is found here is what the stack gets, and nothing
// besides, so that its hash is the hash of what was used.
std::optional<std::string> partition_config();

// A whole file. Throws a `Failure` of the machine.
std::string read_file(const std::string& path);
