// A child process, so that whatever the stack does to its process is the outcome of a trial and not the end of the runner.
#pragma once

#include <functional>
#include <string>

// What the child can tell its parent while it lives.
class ToParent {
 public:
  explicit ToParent(int descriptor) : descriptor_(descriptor) {}

  void stage(const std::string& text) { send('s', text); }    // what it is about to do
  void result(const std::string& text) { send('r', text); }   // what came of it

 private:
  void send(char kind, const std::string& text);

  int descriptor_;
};

// How the child ended.
struct Ending {
  int status = 0;           // as waitpid gives it
  std::string stage;        // the last that it told
  std::string result;       // empty when it told none
  std::string last_words;   // the end of its standard error, which was also passed on
};

// Runs `work` in a child; what that returns is the child's exit code. The child exits hard, without the destructors of libraries:
// they have been seen to hang after all outputs were written (spec/measured.md "Cost of a trial").
Ending in_child(const std::function<int(ToParent&)>& work);
