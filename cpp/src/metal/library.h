// MetalLibrary: the kernels of metal/, compiled for a device.
#pragma once

#include <Metal/Metal.hpp>
#include <map>
#include <mutex>
#include <string>

namespace upsweep {

class MetalLibrary {
 public:
  explicit MetalLibrary(MTL::Device* device) : device_(device) {}

  // The pipeline of <stage>_<set>, made when first needed. Threadgroups have up
  // to `threads` threads. Throws std::runtime_error with Metal's reason.
  MTL::ComputePipelineState* pipeline(const std::string& stage,
                                      const std::string& set, size_t threads);

 private:
  MTL::Library* library(const std::string& set);
  NS::SharedPtr<MTL::Library> load() const;
  NS::SharedPtr<MTL::Library> compile(const std::string& set) const;

  MTL::Device* device_;
  std::mutex mutex_;
  // By set of kernels; "" stands for all of them.
  std::map<std::string, NS::SharedPtr<MTL::Library>> libraries_;
  std::map<std::string, NS::SharedPtr<MTL::ComputePipelineState>> pipelines_;
};

}  // namespace upsweep
