// The software Metal device: memory, libraries and pipelines. Its kernels are
// those of metal/, translated when it was built; it compiles nothing, but
// checks its input against the rules.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "foundation.h"
#include "objects.h"
#include "threadgroup.h"

namespace upsweep::emulator {

namespace {

constexpr size_t kThreads = 1024;  // in a threadgroup

[[noreturn]] void misuse(const std::string& what) {
  throw std::runtime_error("[software Metal device] " + what);
}

class CompileOptions final : public Object {
 public:
  CompileOptions() : Object("MTLCompileOptions") {}
  void set_language_version(MTL::LanguageVersion version) {
    version_ = version;
  }
  void set_math_mode(MTL::MathMode mode) {
    safe_math_ = mode == MTL::MathModeSafe;
  }
  void set_fast_math(bool fast) { safe_math_ = !fast; }
  bool fits() const {
    return safe_math_ && version_ >= MTL::LanguageVersion3_1;
  }

 private:
  bool safe_math_ = false;  // Metal's default
  MTL::LanguageVersion version_ = MTL::LanguageVersion1_1;
};
Object* new_options() { return new CompileOptions; }

class Function final : public Object {
 public:
  explicit Function(std::string kernel)
      : Object("MTLFunction"), kernel(std::move(kernel)) {}
  const std::string kernel;
};

// The kernels of the sets that a source instantiates; without a source, all.
class Library final : public Object {
 public:
  explicit Library(std::optional<std::string> source)
      : Object("MTLLibrary"), source_(std::move(source)) {}

  Object* new_function(String* name) {
    std::string wanted = name->utf8();
    return asks_for(wanted) && has_kernel(wanted) ? new Function(wanted)
                                                  : nullptr;
  }

 private:
  bool asks_for(const std::string& kernel) const {
    if (!source_) return true;
    std::string set = kernel.substr(kernel.find('_') + 1);
    auto has = [&](const std::string& macro) {
      return source_->find("\nUPSWEEP_" + macro + "(" + set + ",") !=
             std::string::npos;
    };
    return has("KERNEL") || has("COPY") || has("VJP") || has("JVP");
  }

  std::optional<std::string> source_;
};

class Architecture final : public Object {
 public:
  Architecture() : Object("MTLArchitecture") {}
  Object* name() { return (new String("software"))->autorelease(); }
};

class Device final : public Object {
 public:
  Device() : Object("MTLDevice") {}

  Object* name() {
    return (new String("software Metal device"))->autorelease();
  }
  Object* architecture() { return (new Architecture)->autorelease(); }
  NS::UInteger max_buffer_length() {
    const char* least = fault("max_buffer");
    return least ? std::strtoul(least, nullptr, 10) : size_t{1} << 36;
  }
  uint64_t working_set() { return uint64_t{1} << 36; }
  bool has_unified_memory() { return !fault("discrete"); }

  Object* new_queue(NS::UInteger most_buffers) {
    return new CommandQueue(most_buffers);
  }
  Object* new_event() { return new SharedEvent; }

  Object* new_buffer(NS::UInteger nbytes, MTL::ResourceOptions options) {
    if (nbytes == 0 || nbytes > max_buffer_length()) {
      misuse("a buffer of " + std::to_string(nbytes) + " bytes");
    }
    if (options != MTL::ResourceStorageModeShared)
      misuse("not a shared buffer");
    if (fault("allocate")) return nullptr;
    auto* buffer = new Buffer(nbytes);
    if (buffer->exists()) return buffer;
    buffer->release();
    return nullptr;
  }

  Object* new_buffer_over(void* data, NS::UInteger nbytes,
                          MTL::ResourceOptions options, void* deallocator) {
    auto page = static_cast<size_t>(getpagesize());
    if (nbytes == 0 || nbytes % page != 0 ||
        reinterpret_cast<uintptr_t>(data) % page != 0) {
      misuse("memory that is not whole pages cannot be shared");
    }
    if (options != MTL::ResourceStorageModeShared || deallocator) {
      misuse("not a shared buffer without a deallocator");
    }
    if (fault("share")) return nullptr;
    return new Buffer(data, nbytes);
  }

  // From a file, of which only the start is checked.
  Object* open_library(Url* url, Object** error) {
    char magic[4] = {};
    std::ifstream(url->path, std::ios::binary).read(magic, sizeof magic);
    if (std::string_view(magic, sizeof magic) != "MTLB") {
      return give(error, 1, "Invalid library file");
    }
    return new Library(std::nullopt);
  }

  Object* new_library(String* source, CompileOptions* options, Object** error) {
    std::string text = source->utf8();
    if (fault("compile")) {
      return give(error, 3, "program_source:1:1: error: unknown type name");
    }
    if (!options->fits()) misuse("a library with fast math or an old language");
    if (text.find("[[kernel]]") == std::string::npos &&
        text.find("kernel void") == std::string::npos) {
      return give(error, 3, "program_source: error: there are no kernels");
    }
    if (text.find("#include \"") != std::string::npos) {
      return give(error, 3, "program_source: error: file not found");
    }
    return new Library(std::move(text));
  }

  Object* new_pipeline(Function* function, Object** error) {
    if (fault("pipeline"))
      return give(error, 2, "Compiler encountered an error");
    return new Pipeline(function->kernel);
  }
};

const Definition definitions[] = {
    {"MTLCompileOptions",
     {{"setLanguageVersion:", method<&CompileOptions::set_language_version>()},
      {"setMathMode:", method<&CompileOptions::set_math_mode>()},
      {"setFastMathEnabled:", method<&CompileOptions::set_fast_math>()}},
     {{"alloc", method<&new_options>()}}},
    {"MTLBuffer",
     {{"contents", method<&Buffer::contents>()},
      {"length", method<&Buffer::length>()}}},
    {"MTLLibrary",
     {{"newFunctionWithName:", method<&Library::new_function>()}}},
    {"MTLComputePipelineState",
     {{"maxTotalThreadsPerThreadgroup", method<&Pipeline::most_threads>()},
      {"threadExecutionWidth", method<&Pipeline::simd_width>()}}},
    {"MTLArchitecture", {{"name", method<&Architecture::name>()}}},
    {"MTLDevice",
     {{"name", method<&Device::name>()},
      {"architecture", method<&Device::architecture>()},
      {"maxBufferLength", method<&Device::max_buffer_length>()},
      {"hasUnifiedMemory", method<&Device::has_unified_memory>()},
      {"recommendedMaxWorkingSetSize", method<&Device::working_set>()},
      {"newCommandQueueWithMaxCommandBufferCount:",
       method<&Device::new_queue>()},
      {"newSharedEvent", method<&Device::new_event>()},
      {"newBufferWithLength:options:", method<&Device::new_buffer>()},
      {"newBufferWithBytesNoCopy:length:options:deallocator:",
       method<&Device::new_buffer_over>()},
      {"newLibraryWithURL:error:", method<&Device::open_library>()},
      {"newLibraryWithSource:options:error:", method<&Device::new_library>()},
      {"newComputePipelineStateWithFunction:error:",
       method<&Device::new_pipeline>()}}}};

}  // namespace

Buffer::Buffer(size_t nbytes)
    : Object("MTLBuffer"),
      data_(mmap(nullptr, nbytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
      nbytes_(nbytes),
      owned_(true) {
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    return;
  }
  // Callers must not rely on the contents of a fresh buffer; in large ones it
  // is enough to fill some.
  std::memset(data_, 0xa5, std::min(nbytes, size_t{1} << 20));
}

Buffer::Buffer(void* data, size_t nbytes)
    : Object("MTLBuffer"), data_(data), nbytes_(nbytes), owned_(false) {}

Buffer::~Buffer() {
  if (owned_ && data_) munmap(data_, nbytes_);
}

NS::UInteger Pipeline::most_threads() {
  const char* fewer = fault("threads");
  return fewer ? std::strtoul(fewer, nullptr, 10) : kThreads;
}

NS::UInteger Pipeline::simd_width() {
  const char* other = fault("simd_width");
  return other ? std::strtoul(other, nullptr, 10) : Threadgroup::kSimd;
}

}  // namespace upsweep::emulator

using namespace upsweep::emulator;

extern "C" {
MTL::Device* MTLCreateSystemDefaultDevice() {
  if (fault("no_device")) return nullptr;
  return reinterpret_cast<MTL::Device*>(static_cast<Object*>(new Device));
}

// metal-cpp refers to them; the backend does not use them.
NS::Array* MTLCopyAllDevices() { misuse("MTLCopyAllDevices"); }
NS::Array* MTLCopyAllDevicesWithObserver(NS::Object**,
                                         MTL::DeviceNotificationHandlerBlock) {
  misuse("MTLCopyAllDevicesWithObserver");
}
void MTLRemoveDeviceObserver(const NS::Object*) {
  misuse("MTLRemoveDeviceObserver");
}
}
