// The entry points of CUDA's driver that cpp/src/cuda uses, in software.
//
// Device addresses differ from those of the memory behind them, so code that
// uses one as a pointer faults. UPSWEEP_SOFTWARE_CUDA sets what should fail, in
// a list such as "version=11040 devices=2 cuInit=999": the driver's version,
// the number of devices, the bytes of each (memory), and the result of a
// function.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "engine.h"
#include "state.h"

using upsweep::emulator::Binding;
using namespace upsweep::software_cuda;

namespace {

constexpr unsigned long long kElsewhere = 1ull << 60;

int device_count() { return static_cast<int>(setting("devices", 1)); }

// The memory at an address, up to the end of its allocation.
Binding find_memory(unsigned long long address) {
  std::lock_guard lock(state().mutex);
  auto found = state().memory.upper_bound(address);
  if (found == state().memory.begin()) return {nullptr, 0};
  --found;
  size_t offset = address - found->first;
  if (offset >= found->second.size) return {nullptr, 0};
  return {found->second.bytes + offset, found->second.size - offset};
}

int run_kernel(const std::string& name, std::vector<char> params,
               const unsigned long long* buffers, uint32_t groups,
               uint32_t threads) {
  std::vector<Binding> bound;
  for (int i = 0; i < 7; ++i) bound.push_back(find_memory(buffers[i]));
  bound.insert(bound.begin() + 2, Binding{params.data(), params.size()});
  try {
    upsweep::emulator::run({name, bound, groups, threads});
    return kSuccess;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return kLaunchFailed;
  }
}

}  // namespace

namespace upsweep::software_cuda {

long long setting(const std::string& name, long long otherwise) {
  const char* text = std::getenv("UPSWEEP_SOFTWARE_CUDA");
  std::string all = std::string(" ") + (text ? text : "");
  size_t at = all.find(" " + name + "=");
  if (at == std::string::npos) return otherwise;
  return std::atoll(all.c_str() + at + name.size() + 2);
}

Driver& state() {
  static Driver& instance = *new Driver;
  return instance;
}

thread_local std::vector<Context*> entered;

int allocate(unsigned long long* address, size_t size) {
  Context* context = entered.back();
  std::lock_guard lock(state().mutex);
  auto most = setting("memory", 64ll << 30) - context->used;
  if (size == 0) return kInvalidValue;
  if (size > static_cast<size_t>(most)) return kOutOfMemory;
  auto* bytes =
      static_cast<char*>(std::aligned_alloc(256, (size + 255) / 256 * 256));
  std::memset(bytes, 0xA5, size);
  *address = reinterpret_cast<uintptr_t>(bytes) + kElsewhere;
  state().memory[*address] = {bytes, size, context};
  context->used += static_cast<long long>(size);
  return kSuccess;
}

int free_memory(unsigned long long address) {
  std::lock_guard lock(state().mutex);
  auto found = state().memory.find(address);
  if (found == state().memory.end()) return kInvalidValue;
  found->second.context->used -= static_cast<long long>(found->second.size);
  std::free(found->second.bytes);
  state().memory.erase(found);
  return kSuccess;
}

int fill(unsigned long long at, unsigned char value, size_t size) {
  Binding memory = find_memory(at);
  if (memory.size < size || memory.size == 0) return kInvalidValue;
  std::memset(memory.data, value, size == 0 ? memory.size : size);
  return kSuccess;
}

Stream* find_stream(Stream* handle) {
  static Stream& otherwise = *new Stream;
  return reinterpret_cast<uintptr_t>(handle) <= 2 ? &otherwise : handle;
}

void give(Stream* handle, std::function<int()> work) {
  Stream* stream = find_stream(handle);
  if (Graph* graph = stream->capture) return graph->nodes.push_back(work);
  Worker* worker = stream->worker;
  if (!worker) {
    std::fputs("Work was given to a destroyed stream.\n", stderr);
    std::abort();
  }
  worker->queue([worker, work = std::move(work)] {
    int before = worker->result();
    return before != kSuccess ? before : work();
  });
}

}  // namespace upsweep::software_cuda

extern "C" {

int cuInit(unsigned) {
  API(cuInit);
  if (device_count() == 0) return kNoDevice;
  std::lock_guard lock(state().mutex);
  for (int i = 0; state().contexts.size() < size_t(device_count()); ++i) {
    state().contexts.push_back(std::make_unique<Context>(Context{i}));
  }
  return kSuccess;
}

int cuDriverGetVersion(int* version) {
  *version = static_cast<int>(setting("version", 13000));
  return kSuccess;
}

int cuGetErrorString(int error, const char** text) {
  static const std::map<int, const char*> texts = {
      {kInvalidValue, "invalid argument"},
      {kOutOfMemory, "out of memory"},
      {kNoDevice, "no CUDA-capable device is detected"},
      {kInvalidContext, "invalid device context"},
      {kCaptureUnsupported, "operation not permitted when stream is capturing"},
      {209, "no kernel image is available for execution on the device"},
      {kNotFound, "named symbol not found"},
      {kLaunchFailed, "unspecified launch failure"},
      {999, "unknown error"}};
  auto found = texts.find(error);
  *text = found == texts.end() ? nullptr : found->second;
  return found == texts.end() ? kInvalidValue : kSuccess;
}

int cuDeviceGetCount(int* count) {
  API(cuDeviceGetCount);
  *count = device_count();
  return kSuccess;
}

int cuDeviceGet(int* device, int index) {
  *device = index + 100;  // a handle is not an index
  return index < device_count() ? kSuccess : kInvalidValue;
}

int cuDeviceGetName(char* name, int size, int) {
  std::snprintf(name, static_cast<size_t>(size), "software CUDA");
  return kSuccess;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = 0;
  if (attribute == 75) *value = 9;
  if (attribute == 115) *value = static_cast<int>(setting("pools", 1));
  return kSuccess;
}

int cuDeviceTotalMem_v2(size_t* size, int) {
  *size = static_cast<size_t>(setting("memory", 64ll << 30));
  return kSuccess;
}

int cuDevicePrimaryCtxRetain(Context** context, int device) {
  API(cuDevicePrimaryCtxRetain);
  *context = state().contexts.at(static_cast<size_t>(device - 100)).get();
  return kSuccess;
}

int cuCtxPushCurrent_v2(Context* context) {
  entered.push_back(context);
  return kSuccess;
}

int cuCtxPopCurrent_v2(Context** context) {
  if (entered.empty()) return kInvalidContext;
  *context = entered.back();
  entered.pop_back();
  return kSuccess;
}

int cuModuleLoadData(const void** module, const void* image) {
  OUTSIDE_CAPTURES(cuModuleLoadData);
  *module = image;
  // Of a fatbin.
  uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  return magic == 0xba55ed50 ? kSuccess : kInvalidValue;
}

int cuModuleGetFunction(const std::string** function, const void*,
                        const char* name) {
  IN_CONTEXT(cuModuleGetFunction);
  for (const std::string& kernel : upsweep::emulator::kernel_names()) {
    if (kernel == name) {
      *function = &kernel;
      return kSuccess;
    }
  }
  return kNotFound;
}

int cuLaunchKernel(const std::string* function, unsigned groups, unsigned,
                   unsigned, unsigned threads, unsigned, unsigned, unsigned,
                   Stream* stream, void** parameters, void**) {
  IN_CONTEXT(cuLaunchKernel);
  std::vector<unsigned long long> buffers;
  for (int i : {0, 1, 3, 4, 5, 6, 7}) {
    buffers.push_back(*static_cast<unsigned long long*>(parameters[i]));
  }
  auto* given = static_cast<char*>(parameters[2]);
  std::vector<char> params(given,
                           given + upsweep::emulator::params_size(*function));
  give(stream, [=] {
    return run_kernel(*function, params, buffers.data(), groups, threads);
  });
  return kSuccess;
}

int cuMemAlloc_v2(unsigned long long* address, size_t size) {
  OUTSIDE_CAPTURES(cuMemAlloc_v2);
  return allocate(address, size);
}

int cuMemFree_v2(unsigned long long address) {
  OUTSIDE_CAPTURES(cuMemFree_v2);
  return free_memory(address);
}

int cuMemHostAlloc(void** memory, size_t size, unsigned) {
  OUTSIDE_CAPTURES(cuMemHostAlloc);
  *memory = std::malloc(size);
  return *memory ? kSuccess : kOutOfMemory;
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t size,
                         Stream* stream) {
  IN_CONTEXT(cuMemcpyHtoDAsync_v2);
  give(stream, [=] {
    Binding memory = find_memory(to);
    if (memory.size < size) return kInvalidValue;
    std::memcpy(memory.data, from, size);
    return kSuccess;
  });
  return kSuccess;
}

int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t size,
                         Stream* stream) {
  IN_CONTEXT(cuMemcpyDtoHAsync_v2);
  give(stream, [=] {
    Binding memory = find_memory(from);
    if (memory.size < size) return kInvalidValue;
    std::memcpy(to, memory.data, size);
    return kSuccess;
  });
  return kSuccess;
}

int cuDeviceCanAccessPeer(int* can, int device, int peer) {
  API(cuDeviceCanAccessPeer);
  *can = device != peer && setting("peers", 1) != 0;
  return kSuccess;
}

int cuCtxEnablePeerAccess(Context* peer, unsigned) {
  IN_CONTEXT(cuCtxEnablePeerAccess);
  bool is_new = entered.back()->peers.insert(peer).second;
  return is_new ? kSuccess : kIsPeerAlready;
}

int cuMemcpyPeerAsync(unsigned long long to, Context*, unsigned long long from,
                      Context*, size_t size, Stream* stream) {
  IN_CONTEXT(cuMemcpyPeerAsync);
  give(stream, [=] {
    Binding source = find_memory(from), memory = find_memory(to);
    if (source.size < size || memory.size < size) return kInvalidValue;
    std::memcpy(memory.data, source.data, size);
    return kSuccess;
  });
  return kSuccess;
}

int cuCtxGetDevice(int* device) {
  IN_CONTEXT(cuCtxGetDevice);
  *device = entered.back()->device;
  return kSuccess;
}

int cuMemsetD8Async(unsigned long long at, unsigned char value, size_t size,
                    Stream* stream) {
  IN_CONTEXT(cuMemsetD8Async);
  give(stream, [=] { return fill(at, value, size); });
  return kSuccess;
}

int cuStreamCreate(Stream** stream, unsigned) {
  IN_CONTEXT(cuStreamCreate);
  std::lock_guard lock(state().mutex);
  static unsigned long long last = 2;
  if (state().destroyed.empty()) {
    *stream = new Stream;
  } else {
    *stream = state().destroyed.back();
    state().destroyed.pop_back();
    (*stream)->worker = new Worker;
  }
  state().workers.push_back((*stream)->worker);
  (*stream)->id = ++last;
  return kSuccess;
}

int cuStreamDestroy_v2(Stream* stream) {
  IN_CONTEXT(cuStreamDestroy_v2);
  std::lock_guard lock(state().mutex);
  stream->worker = nullptr;
  state().destroyed.push_back(stream);
  return kSuccess;
}

int cuStreamGetId(Stream* stream, unsigned long long* id) {
  IN_CONTEXT(cuStreamGetId);
  if (find_stream(stream)->capture) return kCaptureUnsupported;
  *id = reinterpret_cast<uintptr_t>(stream) <= 2
            ? reinterpret_cast<uintptr_t>(stream)
            : stream->id;
  return kSuccess;
}

int cuLaunchHostFunc(Stream* stream, void (*function)(void*), void* data) {
  IN_CONTEXT(cuLaunchHostFunc);
  give(stream, [=] {
    function(data);
    return kSuccess;
  });
  return kSuccess;
}

int cuCtxSynchronize() {
  OUTSIDE_CAPTURES(cuCtxSynchronize);
  std::vector<std::shared_ptr<TimelinePoint>> ends;
  {
    std::lock_guard lock(state().mutex);
    std::vector<Worker*> workers = state().workers;
    workers.push_back(find_stream(nullptr)->worker);
    for (Worker* worker : workers) {
      ends.push_back(std::make_shared<TimelinePoint>());
      worker->queue([end = ends.back()] {
        end->come(kSuccess);
        return kSuccess;
      });
    }
  }
  for (const auto& end : ends) end->wait();
  return kSuccess;
}

int cuMemGetInfo_v2(size_t* free, size_t* total) {
  IN_CONTEXT(cuMemGetInfo_v2);
  std::lock_guard lock(state().mutex);
  *total = static_cast<size_t>(setting("memory", 64ll << 30));
  *free = *total - static_cast<size_t>(entered.back()->used);
  return kSuccess;
}

int cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
  IN_CONTEXT(cuStreamWaitEvent);
  if (find_stream(stream)->capture) return kCaptureUnsupported;
  if (auto moment = event->moment()) {
    give(stream, [moment] { return moment->wait(); });
  }
  return kSuccess;
}

int cuEventCreate(Event** event, unsigned) {
  IN_CONTEXT(cuEventCreate);
  *event = new Event;
  return kSuccess;
}

int cuEventDestroy_v2(Event* event) {
  delete event;
  return kSuccess;
}

int cuEventRecord(Event* event, Stream* handle) {
  IN_CONTEXT(cuEventRecord);
  Stream* stream = find_stream(handle);
  // An event of a graph is nothing to wait for on the host.
  if (stream->capture) return kCaptureUnsupported;
  auto moment = std::make_shared<TimelinePoint>();
  {
    std::lock_guard lock(event->mutex);
    event->last = moment;
  }
  Worker* worker = stream->worker;
  if (!worker) return kInvalidHandle;
  worker->queue([worker, moment] {
    moment->come(worker->result());
    return kSuccess;
  });
  return kSuccess;
}

int cuEventQuery(Event* event) {
  OUTSIDE_CAPTURES(cuEventQuery);
  auto moment = event->moment();
  int result = kSuccess;
  if (!moment || moment->has_come(result)) return result;
  return kNotReady;
}

int cuEventSynchronize(Event* event) {
  OUTSIDE_CAPTURES(cuEventSynchronize);
  auto moment = event->moment();
  return moment ? moment->wait() : kSuccess;
}
}
