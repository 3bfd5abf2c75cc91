// Where kernels come from: upsweep.metallib beside this library, if the build
// machine had Apple's compiler for Metal; otherwise the source that is embedded
// here. Compiling all of that takes Metal many seconds, and one set of kernels
// less than one, so each set is compiled when it is first used.
#include "library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <stdexcept>

#include "source.h"

namespace upsweep {

namespace {

// Threads of a simdgroup; kSimd in metal/group.h. On Intel and AMD GPUs the
// number differs, and results would be wrong.
constexpr size_t kSimd = 32;

NS::String* to_ns(const std::string& text) {
  return NS::String::string(text.c_str(), NS::UTF8StringEncoding);
}

std::string why(const NS::Error* error) {
  return error ? error->localizedDescription()->utf8String()
               : "Metal gives no reason.";
}

// The path of upsweep.metallib beside this library, or nothing.
std::string metallib_path() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&metal_source), &info)) return {};
  std::string path = info.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "upsweep.metallib";
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

// The line that instantiates one set of kernels from the source's templates.
std::string instantiation(const std::string& set) {
  static const std::map<std::string, const char*> lines = {
#define UPSWEEP_KERNEL(...) UPSWEEP_LINE(UPSWEEP_KERNEL, __VA_ARGS__)
#define UPSWEEP_COPY(...) UPSWEEP_LINE(UPSWEEP_COPY, __VA_ARGS__)
#define UPSWEEP_VJP(...) UPSWEEP_LINE(UPSWEEP_VJP, __VA_ARGS__)
#define UPSWEEP_JVP(...) UPSWEEP_LINE(UPSWEEP_JVP, __VA_ARGS__)
#define UPSWEEP_LINE(macro, name, ...) \
  {#name, #macro "(" #name ", " #__VA_ARGS__ ")\n"},
#include "../../../metal/kernels.def"
#undef UPSWEEP_KERNEL
#undef UPSWEEP_COPY
#undef UPSWEEP_VJP
#undef UPSWEEP_JVP
#undef UPSWEEP_LINE
  };
  return lines.at(set);
}

}  // namespace

MTL::ComputePipelineState* MetalLibrary::pipeline(const std::string& stage,
                                                  const std::string& set,
                                                  size_t threads) {
  std::string name = stage + "_" + set;
  std::string failure = "[metal::Device] Unable to load kernel " + name + ": ";
  std::lock_guard lock(mutex_);
  auto& pipeline = pipelines_[name];
  if (pipeline) return pipeline.get();
  auto function = NS::TransferPtr(library(set)->newFunction(to_ns(name)));
  NS::Error* error = nullptr;
  if (function) {
    pipeline = NS::TransferPtr(
        device_->newComputePipelineState(function.get(), &error));
  }
  if (!pipeline) throw std::runtime_error(failure + why(error));
  size_t most = pipeline->maxTotalThreadsPerThreadgroup();
  size_t simd = pipeline->threadExecutionWidth();
  if (most < threads) {
    failure += "it needs " + std::to_string(threads) +
               " threads in a threadgroup, and this GPU has " +
               std::to_string(most) + " for it.";
  } else if (simd != kSimd) {
    failure += "it needs simdgroups of " + std::to_string(kSimd) +
               " threads, and those of this GPU have " + std::to_string(simd) +
               ".";
  } else {
    return pipeline.get();
  }
  pipeline.reset();
  throw std::runtime_error(failure);
}

MTL::Library* MetalLibrary::library(const std::string& set) {
  auto& whole = libraries_[""];
  if (!whole && libraries_.size() == 1) whole = load();
  if (whole) return whole.get();
  auto& one = libraries_[set];
  if (!one) one = compile(set);
  return one.get();
}

NS::SharedPtr<MTL::Library> MetalLibrary::load() const {
  std::string path = metallib_path();
  if (path.empty()) return {};
  NS::Error* error = nullptr;
  // A library too new for this system counts as none.
  return NS::TransferPtr(
      device_->newLibrary(NS::URL::fileURLWithPath(to_ns(path)), &error));
}

NS::SharedPtr<MTL::Library> MetalLibrary::compile(
    const std::string& set) const {
  auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  options->setLanguageVersion(MTL::LanguageVersion3_1);
  // Fast math, the default, breaks two-products and tests for NaN.
  if (NS::ProcessInfo::processInfo()->isOperatingSystemAtLeastVersion(
          {15, 0, 0})) {
    options->setMathMode(MTL::MathModeSafe);
  } else {
    options->setFastMathEnabled(false);
  }
  NS::Error* error = nullptr;
  auto library = NS::TransferPtr(device_->newLibrary(
      to_ns(metal_source(instantiation(set))), options.get(), &error));
  if (!library) {
    throw std::runtime_error(
        "[metal::Device] Unable to build metal library from source, kernels "
        "of " +
        set + ":\n" + why(error));
  }
  return library;
}

}  // namespace upsweep
