// Cumulative products that cannot leave the range: the prefix is a mantissa of
// two doubles and an exponent, and results are not rounded to the dtype's
// range.
//
// Up to 16 neighbouring lines are walked side by side. A long line is cut into
// chunks, whatever the number of threads: their products come first, then each
// chunk is scanned from the product of those before it.
#include <atomic>
#include <cmath>
#include <vector>

#include "../core/backend.h"
#include "../core/half.h"
#include "../monoid/record.h"
#include "pool.h"

namespace upsweep {

namespace {

using Monoid = Product<double>;

constexpr int64_t kWidth = 16;
constexpr int64_t kChunk = 1 << 15;
constexpr int64_t kMaxExponent = 1 << 30;

template <class T>
class Frexp {
 public:
  Frexp(const FrexpWork& work, const FrexpResult& result)
      : work_(work),
        plan_(work.plan),
        in_(static_cast<const T*>(work.in->data()) + work.in_offset),
        mantissas_(static_cast<T*>(result.mantissas->data())),
        exponents_(static_cast<int32_t*>(result.exponents->data()) +
                   result.exponent_offset),
        per_row_((plan_.inner.extent + kWidth - 1) / kWidth),
        chunks_((plan_.length.extent + kChunk - 1) / kChunk) {}

  void run() {
    int64_t lines = plan_.outer_size * plan_.inner.extent;
    if (lines * plan_.length.extent == 0) return;
    std::vector<Monoid::Prefix> starts(static_cast<size_t>(lines * chunks_));
    if (chunks_ > 1) {
      each_chunk([&](const Group& group, int64_t chunk) {
        for (int64_t i = 0; i < group.width; ++i) {
          starts[start_index(group.line + i, chunk)] = {};
        }
        walk(group, chunk, &starts[start_index(group.line, chunk)], false);
      });
    }
    for (int64_t line = 0; line < lines; ++line) start_chunks(line, starts);
    each_chunk([&](const Group& group, int64_t chunk) {
      walk(group, chunk, &starts[start_index(group.line, chunk)], true);
    });
  }

 private:
  // Neighbouring lines: the number of the first, and its place.
  struct Group {
    int64_t line, width, in, out;
  };

  Group group(int64_t index) const {
    int64_t first = index % per_row_ * kWidth, row = index / per_row_;
    Group group{row * plan_.inner.extent + first,
                std::min(kWidth, plan_.inner.extent - first),
                plan_.in_start + first * plan_.inner.in_step,
                plan_.out_start + first * plan_.inner.out_step};
    for (size_t i = plan_.outer.size(); i-- > 0;) {
      int64_t at = row % plan_.outer[i].extent;
      row /= plan_.outer[i].extent;
      group.in += at * plan_.outer[i].in_step;
      group.out += at * plan_.outer[i].out_step;
    }
    return group;
  }

  // Starts of neighbouring lines are neighbours.
  size_t start_index(int64_t line, int64_t chunk) const {
    return static_cast<size_t>(chunk * plan_.outer_size * plan_.inner.extent +
                               line);
  }

  template <class Visit>
  void each_chunk(const Visit& visit) const {
    int64_t all = plan_.outer_size * per_row_ * chunks_;
    std::atomic<int64_t> taken{0};
    auto work = [&] {
      for (int64_t i; (i = taken.fetch_add(1)) < all;) {
        visit(group(i / chunks_), i % chunks_);
      }
    };
    int threads = threads_for(plan_.outer_size * plan_.inner.extent *
                              plan_.length.extent);
    threads == 1 ? work() : pool().run(threads, work);
  }

  // Turns the products of a line's chunks into what each chunk starts with.
  void start_chunks(int64_t line, std::vector<Monoid::Prefix>& starts) const {
    Monoid::Prefix r = start_of(line);
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      Monoid::Prefix& at = starts[start_index(line, chunk)];
      Monoid::Prefix product = at;
      at = r;
      if (chunk + 1 < chunks_) multiply(r, product);
    }
  }

  // The line's place in the result tells its number in row-major order.
  Monoid::Prefix start_of(int64_t line) const {
    const Initial& initial = work_.initial;
    if (initial.kind == Initial::Kind::identity) return {};
    Group at = group(line / plan_.inner.extent * per_row_ +
                     line % plan_.inner.extent / kWidth);
    int64_t number = plan_.line_at(at.out + line % plan_.inner.extent % kWidth *
                                                plan_.inner.out_step);
    int64_t index = initial.offset + (initial.per_line ? number : 0);
    if (initial.kind == Initial::Kind::carry) {
      auto* records = static_cast<const CarryRecord*>(initial.storage->data());
      return from_record<Monoid::Prefix>(records[index].total);
    }
    Monoid::Prefix r;
    Monoid::accumulate(
        r, widen(static_cast<const T*>(initial.storage->data())[index]));
    return r;
  }

  static void multiply(Monoid::Prefix& r, const Monoid::Prefix& next) {
    if (Monoid::is_live(r) && Monoid::is_live(next)) {
      Monoid::combine(r, next);
    } else {
      r = {{Monoid::special_class(r) * Monoid::special_class(next)}, 0};
    }
  }

  // Multiplies the elements of a chunk onto r, a prefix for each line.
  void walk(const Group& group, int64_t chunk, Monoid::Prefix* r,
            bool stores) const {
    int64_t first = chunk * kChunk;
    int64_t last = std::min(first + kChunk, plan_.length.extent);
    for (int64_t s = first; s < last; ++s) {
      const T* from = in_ + group.in + s * plan_.length.in_step;
      int64_t to = group.out + s * plan_.length.out_step;
      for (int64_t i = 0; i < group.width; ++i) {
        int64_t at = to + i * plan_.inner.out_step;
        if (stores && !work_.inclusive) store(r[i], at);
        Monoid::accumulate(r[i], widen(from[i * plan_.inner.in_step]));
        if (stores && work_.inclusive) store(r[i], at);
      }
    }
  }

  void store(const Monoid::Prefix& r, int64_t at) const {
    int shift = 0;
    double mantissa = r.mantissa.hi;
    int64_t exponent = 0;
    if (Monoid::is_live(r)) {
      mantissa = std::frexp(mantissa, &shift);
      exponent = r.exponent + shift;
    }
    T rounded = narrow<T>(canonical(mantissa));
    if (std::abs(widen(rounded)) == 1) {  // rounding reached the next binade
      rounded = narrow<T>(std::copysign(0.5, mantissa));
      ++exponent;
    }
    mantissas_[at] = rounded;
    exponents_[at] =
        static_cast<int32_t>(std::clamp(exponent, -kMaxExponent, kMaxExponent));
  }

  const FrexpWork& work_;
  const Plan& plan_;
  const T* in_;
  T* mantissas_;
  int32_t* exponents_;
  int64_t per_row_;
  int64_t chunks_;
};

}  // namespace

void run_frexp(const FrexpWork& work, const FrexpResult& result) {
  visit_dtype(work.dtype, [&](auto value) {
    using T = decltype(value);
    if constexpr (is_real<T>) Frexp<T>(work, result).run();
  });
}

}  // namespace upsweep
