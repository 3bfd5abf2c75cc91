// What has to be compiled to be compared with: a plain loop, a copy.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void running_products(const float* x, float* y, size_t n) {
  float product = 1;
  for (size_t i = 0; i < n; ++i) {
    product *= x[i];
    y[i] = product;
  }
}

// Copies with stores that bypass the cache where the compiler offers them.
void stream_copy(char* to, const char* from, size_t bytes) {
  size_t i = 0;
#ifdef __SSE2__
  if ((uintptr_t)to % 16 == 0) {
    for (; i + 64 <= bytes; i += 64) {
      const __m128i* source = (const __m128i*)(from + i);
      __m128i* target = (__m128i*)(to + i);
      for (int k = 0; k < 4; ++k) {
        _mm_stream_si128(target + k, _mm_loadu_si128(source + k));
      }
    }
    _mm_sfence();
  }
#endif
  memcpy(to + i, from + i, bytes - i);
}
