#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

#include "failure.h"

namespace {

constexpr size_t kLastWords = 4000;
// How long output may still come after the child is dead: something that it started may hold the pipe open for ever.
constexpr int kPatienceMs = 50;

[[noreturn]] void machine(const std::string& what) { throw Failure(Fault::machine, what); }

void write_all(int descriptor, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(descriptor, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody listens any more
    data += written;
    size -= static_cast<size_t>(written);
  }
}

struct Pipe {
  int read_end, write_end;

  Pipe() {
    int ends[2];
    if (pipe(ends) != 0) machine("no pipe can be made");
    read_end = ends[0];
    write_end = ends[1];
  }
};

// Reads what there is; false at the end of the stream.
bool take(int descriptor, std::string& into) {
  char buffer[4096];
  const ssize_t count = read(descriptor, buffer, sizeof buffer);
  if (count > 0) into.assign(buffer, static_cast<size_t>(count));
  else into.clear();
  return count > 0 || (count < 0 && errno == EINTR);
}

[[noreturn]] void be_the_child(const Pipe& messages, const Pipe& errors, pid_t parent, const std::function<int(ToParent&)>& work) {
  // Whoever kills only the runner has killed the stack too.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(static_cast<int>(Fault::machine));
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(errors.write_end, STDERR_FILENO);
  for (int descriptor : {messages.read_end, errors.read_end, errors.write_end}) close(descriptor);
  ToParent to_parent(messages.write_end);
  const int code = work(to_parent);
  std::cout.flush();
  std::fflush(nullptr);
  _exit(code);
}

// Sorts the child's messages, each a letter, a text and a NUL.
void hear(Ending& ending, const std::string& heard) {
  for (size_t start = 0, end; (end = heard.find('\0', start)) != std::string::npos; start = end + 1) {
    (heard[start] == 's' ? ending.stage : ending.result) = heard.substr(start + 1, end - start - 1);
  }
}

}  // namespace

void ToParent::send(char kind, const std::string& text) {
  const std::string message = kind + text + '\0';
  write_all(descriptor_, message.data(), message.size());
}

Ending in_child(const std::function<int(ToParent&)>& work) {
  const Pipe messages, errors;
  std::cout.flush();
  std::fflush(nullptr);  // or the child would write it again
  const pid_t parent = getpid(), child = fork();
  if (child < 0) machine("no process can be started");
  if (child == 0) be_the_child(messages, errors, parent, work);
  close(messages.write_end);
  close(errors.write_end);

  Ending ending;
  std::string heard, chunk;
  bool dead = false;
  pollfd streams[2] = {{messages.read_end, POLLIN, 0}, {errors.read_end, POLLIN, 0}};
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const int ready = poll(streams, 2, kPatienceMs);
    if (ready == 0 && dead) break;
    if (!dead) dead = waitpid(child, &ending.status, WNOHANG) == child;
    if (ready <= 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (streams[i].fd < 0 || streams[i].revents == 0) continue;
      if (!take(streams[i].fd, chunk)) streams[i].fd = -1;
      if (i == 0) {
        heard += chunk;
      } else {
        write_all(STDERR_FILENO, chunk.data(), chunk.size());
        ending.last_words += chunk;
        if (ending.last_words.size() > kLastWords) ending.last_words.erase(0, ending.last_words.size() - kLastWords);
      }
    }
  }
  close(messages.read_end);
  close(errors.read_end);
  while (!dead && waitpid(child, &ending.status, 0) < 0 && errno == EINTR) {
  }
  hear(ending, heard);
  return ending;
}
