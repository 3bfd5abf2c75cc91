// CUDA's driver API, loaded on first use: no CUDA library is linked, and a
// machine without a driver runs everything else. Types and constants are those
// of its stable binary interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

namespace upsweep::cuda {

using Context = struct ContextHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;
using Address = unsigned long long;  // of a device's memory

// This handle names another stream in each thread.
inline const Stream kStreamOfThread = reinterpret_cast<Stream>(2);

enum Result : int {
  kSuccess = 0,
  kOutOfMemory = 2,
  kNotReady = 600,
  kIsPeerAlready = 704,
  kTooManyPeers = 711,
};
enum Attribute : int { kMajor = 75, kMinor = 76, kMemoryPools = 115 };
enum : unsigned { kNonBlocking = 1 };  // streams
enum CaptureMode : int { kRelaxed = 2 };
enum : unsigned { kBlockingSync = 1, kNoTiming = 2 };  // events

// name in the struct, name in the library, arguments
#define UPSWEEP_CUDA_FUNCTIONS(F)                                            \
  F(init, cuInit, unsigned flags)                                            \
  F(driver_version, cuDriverGetVersion, int*)                                \
  F(error_string, cuGetErrorString, int, const char**)                       \
  F(device_count, cuDeviceGetCount, int*)                                    \
  F(device_get, cuDeviceGet, int*, int index)                                \
  F(device_name, cuDeviceGetName, char*, int size, int device)               \
  F(device_attribute, cuDeviceGetAttribute, int*, int attribute, int device) \
  F(device_memory, cuDeviceTotalMem_v2, size_t*, int device)                 \
  F(retain_context, cuDevicePrimaryCtxRetain, Context*, int device)          \
  F(push_context, cuCtxPushCurrent_v2, Context)                              \
  F(pop_context, cuCtxPopCurrent_v2, Context*)                               \
  F(load_module, cuModuleLoadData, Module*, const void* image)               \
  F(get_function, cuModuleGetFunction, Function*, Module, const char* name)  \
  F(launch, cuLaunchKernel, Function, unsigned grid_x, unsigned grid_y,      \
    unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,   \
    unsigned shared_bytes, Stream, void** parameters, void** extra)          \
  F(allocate, cuMemAlloc_v2, Address*, size_t)                               \
  F(free, cuMemFree_v2, Address)                                             \
  F(allocate_in_order, cuMemAllocAsync, Address*, size_t, Stream)            \
  F(free_in_order, cuMemFreeAsync, Address, Stream)                          \
  F(allocate_pinned, cuMemHostAlloc, void**, size_t, unsigned flags)         \
  F(copy_to_device, cuMemcpyHtoDAsync_v2, Address, const void*, size_t,      \
    Stream)                                                                  \
  F(copy_to_host, cuMemcpyDtoHAsync_v2, void*, Address, size_t, Stream)      \
  F(copy_from_peer, cuMemcpyPeerAsync, Address to, Context, Address from,    \
    Context, size_t, Stream)                                                 \
  F(can_be_peer, cuDeviceCanAccessPeer, int*, int device, int peer)          \
  F(enable_peer, cuCtxEnablePeerAccess, Context peer, unsigned flags)        \
  F(clear, cuMemsetD8Async, Address, unsigned char value, size_t, Stream)    \
  F(create_stream, cuStreamCreate, Stream*, unsigned flags)                  \
  F(wait_for_device, cuCtxSynchronize, void)                                 \
  F(is_capturing, cuStreamIsCapturing, Stream, int* status)                  \
  F(exchange_capture_mode, cuThreadExchangeStreamCaptureMode, int*)          \
  F(wait_for, cuStreamWaitEvent, Stream, Event, unsigned flags)              \
  F(create_event, cuEventCreate, Event*, unsigned flags)                     \
  F(destroy_event, cuEventDestroy_v2, Event)                                 \
  F(record, cuEventRecord, Event, Stream)                                    \
  F(query, cuEventQuery, Event)                                              \
  F(synchronize, cuEventSynchronize, Event)

struct Driver {
#define UPSWEEP_MEMBER(name, symbol, ...) int (*name)(__VA_ARGS__);
  UPSWEEP_CUDA_FUNCTIONS(UPSWEEP_MEMBER)
#undef UPSWEEP_MEMBER
  // A number that no other stream gets, before or after; nullptr in drivers of
  // CUDA 11.
  int (*stream_id)(Stream, unsigned long long*);
};

// nullptr if there is no usable driver.
const Driver* find_driver();
// Why there is none.
const std::string& why_no_driver();
// Call it only after find_driver has found the driver.
const Driver& driver();

// Throws OutOfMemory or std::runtime_error with the driver's reason.
void check(int result, const char* doing);

// While a library captures a CUDA graph, the driver refuses what might break
// it, by default on all threads. Nothing that is done here is part of another's
// graph, but for the launches that are given to its stream. So as long as this
// lives, the driver lets the calling thread do all.
class DuringCaptures {
 public:
  DuringCaptures() { driver().exchange_capture_mode(&mode_); }
  ~DuringCaptures() { driver().exchange_capture_mode(&mode_); }
  DuringCaptures(const DuringCaptures&) = delete;
  DuringCaptures& operator=(const DuringCaptures&) = delete;

 private:
  int mode_ = kRelaxed;
};

// While it lives, the given context is current on the calling thread.
class Current {
 public:
  explicit Current(Context context) {
    check(driver().push_context(context), "entering a device's context");
  }
  ~Current() {
    Context popped;
    driver().pop_context(&popped);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  DuringCaptures allowed_;
};

}  // namespace upsweep::cuda
