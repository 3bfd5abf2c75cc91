// Graphs: captures of streams, and memory in the order of a stream, which
// becomes a graph's own when it is captured.
#include "state.h"

using namespace upsweep::software_cuda;

namespace {

enum : int { kRelaxed = 2 };

std::mutex captures_mutex;
std::set<Graph*> captures;  // that are under way

thread_local int capture_mode = 0;  // refuses what might break any capture

}  // namespace

namespace upsweep::software_cuda {

int refuse_during_captures() {
  std::lock_guard lock(captures_mutex);
  if (captures.empty() || capture_mode == kRelaxed) return kSuccess;
  for (Graph* graph : captures) graph->is_valid = false;
  return kCaptureUnsupported;
}

}  // namespace upsweep::software_cuda

extern "C" {

int cuStreamBeginCapture_v2(Stream* stream, int) {
  IN_CONTEXT(cuStreamBeginCapture_v2);
  auto* graph = new Graph;
  std::lock_guard lock(captures_mutex);
  captures.insert(graph);
  stream->capture = graph;
  return kSuccess;
}

int cuStreamEndCapture(Stream* stream, Graph** graph) {
  IN_CONTEXT(cuStreamEndCapture);
  std::lock_guard lock(captures_mutex);
  *graph = stream->capture.exchange(nullptr);
  captures.erase(*graph);
  return (*graph)->is_valid ? kSuccess : kCaptureInvalidated;
}

int cuStreamIsCapturing(Stream* handle, int* status) {
  IN_CONTEXT(cuStreamIsCapturing);
  Graph* graph = find_stream(handle)->capture;
  *status = !graph ? 0 : graph->is_valid ? 1 : 2;
  return kSuccess;
}

int cuThreadExchangeStreamCaptureMode(int* mode) {
  std::swap(*mode, capture_mode);
  return kSuccess;
}

int cuGraphInstantiateWithFlags(Graph** exec, Graph* graph,
                                unsigned long long) {
  IN_CONTEXT(cuGraphInstantiateWithFlags);
  *exec = graph;
  return kSuccess;
}

int cuGraphLaunch(Graph* graph, Stream* stream) {
  IN_CONTEXT(cuGraphLaunch);
  for (const std::function<int()>& node : graph->nodes) give(stream, node);
  return kSuccess;
}

int cuMemAllocAsync(unsigned long long* address, size_t size, Stream* stream) {
  IN_CONTEXT(cuMemAllocAsync);
  if (setting("pools", 1) == 0) return kNotSupported;
  int result = allocate(address, size);
  // Each launch of a graph finds anything there.
  if (result == kSuccess && find_stream(stream)->capture) {
    give(stream, [at = *address] { return fill(at, 0xA5, 0); });
  }
  return result;
}

int cuMemFreeAsync(unsigned long long address, Stream* stream) {
  IN_CONTEXT(cuMemFreeAsync);
  bool is_captured = find_stream(stream)->capture;
  give(stream, [=] {
    return is_captured ? fill(address, 0x5A, 0) : free_memory(address);
  });
  return kSuccess;
}
}
