// Why a trial gave no outputs, and the exit code that says so (docs/boards.md "What happens when something goes wrong").
#pragma once

#include <stdexcept>
#include <string>

enum class Fault {
  refused = 1,       // the stack does not run the placement
  machine = 75,      // this board is at fault
  untestable = 125,  // the model itself, or the command line, cannot be run here
};

struct Failure : std::runtime_error {
  Failure(Fault fault, const std::string& text) : std::runtime_error(text), fault(fault) {}

  Fault fault;
};
