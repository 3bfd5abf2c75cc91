// What the entry points of the software driver share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "stream.h"

namespace upsweep::software_cuda {

enum : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNoDevice = 100,
  kInvalidContext = 201,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIsPeerAlready = 704,
  kLaunchFailed = 719,
  kNotSupported = 801,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
};

// The value of a name in UPSWEEP_SOFTWARE_CUDA.
long long setting(const std::string& name, long long otherwise);

struct Context {
  int device;
  long long used = 0;
  std::set<Context*> peers = {};
};
struct Memory {
  char* bytes;
  size_t size;
  Context* context;
};

struct Driver {
  std::mutex mutex;
  std::vector<std::unique_ptr<Context>> contexts;
  std::map<unsigned long long, Memory> memory;  // by address
  std::vector<Worker*> workers;                 // those of gone streams too
  std::vector<Stream*> destroyed;
};
Driver& state();

// The contexts that the thread has entered.
extern thread_local std::vector<Context*> entered;

int allocate(unsigned long long* address, size_t size);
int free_memory(unsigned long long address);
// Fills the memory at an address, up to its end if size is 0.
int fill(unsigned long long at, unsigned char value, size_t size);

// A stream by its handle; 1 and 2 are CUDA's default streams.
Stream* find_stream(Stream* handle);
// Work for a stream. If it fails, all work after it fails. A graph that
// captures the stream gets it instead.
void give(Stream* handle, std::function<int()> work);

// For what might break a capture: refuses it, and ends all captures, unless
// there are none or the thread's mode is relaxed.
int refuse_during_captures();

}  // namespace upsweep::software_cuda

#define API(name) \
  if (long long result = setting(#name, 0)) return static_cast<int>(result)
#define IN_CONTEXT(name) \
  API(name);             \
  if (entered.empty()) return kInvalidContext
#define OUTSIDE_CAPTURES(name) \
  IN_CONTEXT(name);            \
  if (int refused = refuse_during_captures()) return refused
