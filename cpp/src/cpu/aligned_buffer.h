// AlignedBuffer: memory for carries or summaries, in whole cache lines.
#pragma once

#include <cstddef>
#include <vector>

namespace upsweep {

// A small buffer needs no allocation.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(size_t nbytes)
      : nbytes_(nbytes), large_(nbytes > sizeof small_ ? nbytes / 64 + 1 : 0) {}
  void* data() { return large_.empty() ? small_ : large_.data(); }
  size_t nbytes() const { return nbytes_; }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  size_t nbytes_;
  Line small_[40];
  std::vector<Line> large_;
};

}  // namespace upsweep
