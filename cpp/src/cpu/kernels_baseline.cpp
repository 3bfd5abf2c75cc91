// Kernels for any processor, from the monoids alone: a tile is walked along
// memory, with one running result for each of its lines.
#include "../monoid/extremum.h"
#include "../monoid/logaddexp.h"
#include "../monoid/product.h"
#include "../monoid/sum.h"
#include "kernels.h"

namespace upsweep {

namespace {

template <class M>
struct Summary {
  typename M::Total total = M::none();
  typename M::Range range;
};
template <class M>
  requires M::kExact
struct Summary<M> {
  typename M::Running total = M::start();
};

template <class M>
struct TileKernel {
  using Value = typename M::Value;
  using Running = typename M::Running;
  static constexpr int64_t kMaxWidth = 256;

  static void start(void* carry, int64_t width) {
    auto* running = static_cast<Running*>(carry);
    for (int64_t i = 0; i < width; ++i) new (running + i) Running(M::start());
  }

  static void reduce(const Tile& tile, void* summary) {
    auto* lines = static_cast<Summary<M>*>(summary);
    for (int64_t i = 0; i < tile.width; ++i) new (lines + i) Summary<M>();
    auto* in = static_cast<const Value*>(tile.in);
    for (int64_t t = 0; t < tile.length; ++t, in += tile.in_step) {
      for (int64_t i = 0; i < tile.width; ++i) {
        Value x = in[i * tile.in_lane];
        if constexpr (M::kExact) {
          M::advance(lines[i].total, x);
        } else {
          M::fold(lines[i].total, x);
          M::widen(lines[i].range, lines[i].total, x);
        }
      }
    }
  }

  static bool predict(void* carry, const void* summary, int64_t width) {
    auto* running = static_cast<Running*>(carry);
    auto* lines = static_cast<const Summary<M>*>(summary);
    if constexpr (M::kExact) {
      for (int64_t i = 0; i < width; ++i) {
        M::combine(running[i], lines[i].total);
      }
    } else {
      Running after[kMaxWidth];
      for (int64_t i = 0; i < width; ++i) {
        after[i] = running[i];
        if (!M::predict(after[i], lines[i].total, lines[i].range)) return false;
      }
      for (int64_t i = 0; i < width; ++i) running[i] = after[i];
    }
    return true;
  }

  static void scan(const Tile& tile, void* carry, bool inclusive, bool last) {
    auto* running = static_cast<Running*>(carry);
    if constexpr (!M::kExact) {
      if (!last) {
        return inclusive ? walk<true, true>(tile, running)
                         : walk<false, true>(tile, running);
      }
    }
    inclusive ? walk<true, false>(tile, running)
              : walk<false, false>(tile, running);
  }

 private:
  template <bool inclusive, bool with_total>
  static void walk(const Tile& tile, Running* running) {
    // One line is common enough to have its results so far in registers.
    if (tile.width == 1) {
      walk_lines<inclusive, with_total, 1>(tile, running, 1);
    } else {
      walk_lines<inclusive, with_total, kMaxWidth>(tile, running, tile.width);
    }
  }

  template <bool inclusive, bool with_total, int64_t capacity>
  static void walk_lines(const Tile& tile, Running* carry, int64_t width) {
    Running running[capacity];
    for (int64_t i = 0; i < width; ++i) running[i] = carry[i];
    [[maybe_unused]] Summary<M> lines[with_total ? capacity : 1];
    auto* in = static_cast<const Value*>(tile.in);
    auto* out = static_cast<Value*>(tile.out);
    for (int64_t t = 0; t < tile.length; ++t) {
      for (int64_t i = 0; i < width; ++i) {
        Value x = in[i * tile.in_lane];
        if constexpr (inclusive) {
          out[i] = M::advance(running[i], x);
        } else {
          out[i] = M::value(running[i]);
          M::advance(running[i], x);
        }
        if constexpr (with_total) M::fold(lines[i].total, x);
      }
      in += tile.in_step;
      out += tile.out_step;
    }
    for (int64_t i = 0; i < width; ++i) {
      if constexpr (with_total) {
        carry[i] = M::join(carry[i], lines[i].total, running[i]);
      } else {
        carry[i] = running[i];
      }
    }
  }
};

template <class M>
constexpr Kernel make_kernel() {
  using K = TileKernel<M>;
  return {sizeof(typename M::Running),
          sizeof(Summary<M>),
          K::start,
          K::reduce,
          K::predict,
          K::scan};
}

template <class T>
using Maximum = Extremum<T, true>;
template <class T>
using Minimum = Extremum<T, false>;

// One entry for each dtype, in the order of Dtype::Val.
template <template <class> class M>
constexpr Kernel kFloats[] = {make_kernel<M<float16_t>>(),
                              make_kernel<M<bfloat16_t>>(),
                              make_kernel<M<float>>(), make_kernel<M<double>>(),
                              make_kernel<M<complex64_t>>()};

template <template <class> class M>
constexpr Kernel kIntegers[] = {
    make_kernel<M<uint8_t>>(),  make_kernel<M<uint16_t>>(),
    make_kernel<M<uint32_t>>(), make_kernel<M<uint64_t>>(),
    make_kernel<M<int8_t>>(),   make_kernel<M<int16_t>>(),
    make_kernel<M<int32_t>>(),  make_kernel<M<int64_t>>()};

template <template <class> class M>
constexpr Kernel kBool = make_kernel<M<bool>>();

template <template <class> class M>
const Kernel& of_dtype(Dtype dtype) {
  auto at = static_cast<size_t>(dtype.val);
  if constexpr (requires { M<bool>::start(); }) {
    if (dtype == bool_) return kBool<M>;
  }
  if constexpr (requires { M<int8_t>::start(); }) {
    if (dtype.is_integer()) return kIntegers<M>[at - 1];
  }
  return kFloats<M>[at - static_cast<size_t>(Dtype::Val::float16)];
}

}  // namespace

const Kernel& baseline_kernel(Op op, Dtype dtype) {
  switch (op) {
    case Op::prod:
      return of_dtype<Product>(dtype);
    case Op::sum:
      return of_dtype<Sum>(dtype);
    case Op::max:
      return of_dtype<Maximum>(dtype);
    case Op::min:
      return of_dtype<Minimum>(dtype);
    case Op::logaddexp:
      return of_dtype<LogAddExp>(dtype);
  }
  __builtin_unreachable();
}

}  // namespace upsweep
