// A forked child can use the CPU, and does not wait for work that the fork
// lost.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "array_access.h"
#include "core/backend.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool kThreadSanitizer = false;
#endif

// Runs fn in a child; returns its exit status.
template <class Fn>
int in_child(const Fn& fn) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a child that hangs must not block the tests
    _exit(fn());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a child scans on streams of its own") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: ThreadSanitizer starts no threads in a forked child");
    return;
  }
  array big = ones({1 << 20});
  cumprod(big).wait();  // threads of pool and stream are running
  Stream stream = new_stream(DeviceType::cpu);
  CHECK(in_child([&] {
          array result = cumsum(big, 0, false, true, stream);
          return result.data<float>()[(1 << 20) - 1] == 1 << 20 ? 7 : 1;
        }) == 7);
}

TEST_CASE("work under way at the fork is an error in the child") {
  Stream stream = new_stream(DeviceType::cpu);
  array out = make_array(backend(stream).allocate(stream.device, 1), {}, bool_);
  std::atomic<bool> go{false};
  backend(stream).run_on_host(stream, {[&] {
                                         while (!go) std::this_thread::yield();
                                       },
                                       {},
                                       storage_of(out),
                                       int64_t{1} << 40});
  CHECK(in_child([&] {
          try {
            out.wait();
          } catch (const std::runtime_error&) {
            return 7;
          }
          return 1;
        }) == 7);
  go = true;
  out.wait();
}

// In a child, because the limit holds for the whole process.
TEST_CASE("a system without threads to give") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: ThreadSanitizer starts no threads in a forked child");
    return;
  }
  CHECK(in_child([] {
          if (getuid() == 0 && setuid(65534) != 0)
            return 2;  // root has no limit
          rlimit none{0, 0};
          if (setrlimit(RLIMIT_NPROC, &none) != 0) return 3;
          Stream stream = new_stream(DeviceType::cpu);
          static const float memory[1] = {1};
          bool released = false;
          array y = array(0.f);
          {
            array one = array::adopt(memory, {1}, {1}, float32, [&] {
              synchronize(stream);
              released = true;
            });
            array many = broadcast_to(one, {1 << 20});
            y = cumsum(many, 0, false, true, stream);
          }
          array z = cumsum(y, 0, true, true, stream);
          if (z.data<float>()[(1 << 20) - 1] != 1 << 20) return 4;
          synchronize(stream);
          return released ? 0 : 5;
        }) == 0);
}
