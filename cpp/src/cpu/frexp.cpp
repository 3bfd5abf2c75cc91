// Cumulative products that cannot leave the range: the prefix is a mantissa of
// two doubles and an exponent, and results are not rounded to the dtype's
// range.
//
// Lines are cut into chunks, whatever the number of threads: their products
// come first, then each chunk is scanned from the product of those before it.
// The lanes of a kernel are neighbouring lines or, where there are few, chunks
// of one line. A loop goes through the lanes that have a zero, an infinity or a
// NaN.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "../core/backend.h"
#include "../core/half.h"
#include "../host/pool.h"
#include "../monoid/record.h"
#include "isa.h"

namespace upsweep {

namespace {

using Monoid = Product<double>;

// Elements of a chunk of neighbouring lines, and of one line: enough to pay for
// combining the chunks.
constexpr int64_t kChunk = 1 << 15;
constexpr int64_t kLineChunk = 1 << 11;

template <class T>
class Frexp {
 public:
  Frexp(const FrexpWork& work, const FrexpResult& result)
      : work_(work),
        plan_(work.plan),
        kernel_(isa().frexp(work.dtype)),
        in_(static_cast<const T*>(work.in->data()) + work.in_offset),
        mantissas_(static_cast<T*>(result.mantissas->data())),
        exponents_(static_cast<int32_t*>(result.exponents->data()) +
                   result.exponent_offset),
        length_(plan_.length.extent),
        lines_are_lanes_(plan_.inner.extent >= kernel_.lanes / 2 ||
                         length_ < kernel_.lanes * kFrexpRows) {
    chunk_ = kChunk;
    if (!lines_are_lanes_) {
      int64_t share = length_ / kernel_.lanes / kFrexpRows * kFrexpRows;
      chunk_ = std::min(kLineChunk, share);
    }
    width_ = lines_are_lanes_ ? kernel_.lanes : 1;
    per_row_ = ceil_div(plan_.inner.extent, width_);
    chunks_ = ceil_div(length_, chunk_);
  }

  void run() {
    int64_t lines = plan_.outer_size * plan_.inner.extent;
    if (lines * length_ == 0) return;
    std::vector<Monoid::Prefix> starts(static_cast<size_t>(lines * chunks_));
    if (chunks_ > 1) walk_all(starts, false);
    for (int64_t line = 0; line < lines; ++line) start_chunks(line, starts);
    walk_all(starts, true);
  }

 private:
  // Neighbouring lines: the number of the first, and its place.
  struct Group {
    int64_t line, width, in, out;
  };

  Group group(int64_t index) const {
    int64_t first = index % per_row_ * width_, row = index / per_row_;
    Group group{row * plan_.inner.extent + first,
                std::min(width_, plan_.inner.extent - first),
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

  // Multiplies the elements of all chunks onto their starts and, if `stores`,
  // writes results.
  void walk_all(std::vector<Monoid::Prefix>& starts, bool stores) const {
    // Chunks of one line that are lanes together. The last is not whole.
    int64_t at_once = lines_are_lanes_ ? 1 : kernel_.lanes;
    int64_t whole = length_ / chunk_;
    int64_t pieces = ceil_div(whole, at_once) + (whole < chunks_ ? 1 : 0);
    int64_t all = plan_.outer_size * per_row_ * pieces;
    std::atomic<int64_t> taken{0};
    auto work = [&] {
      for (int64_t i; (i = taken.fetch_add(1)) < all;) {
        int64_t chunk = i % pieces * at_once;
        int64_t count = std::min(at_once, whole - chunk);
        if (i % pieces == pieces - 1 && whole < chunks_) {
          chunk = whole;
          count = 1;
        }
        walk(group(i / pieces), chunk, count, starts, stores);
      }
    };
    int threads = threads_for(plan_.outer_size * plan_.inner.extent * length_);
    threads == 1 ? work() : pool().run(threads, work);
  }

  // The same for `count` chunks of some lines.
  void walk(const Group& group, int64_t chunk, int64_t count,
            std::vector<Monoid::Prefix>& starts, bool stores) const {
    int64_t first = chunk * chunk_;
    int64_t rows = std::min(chunk_, length_ - first);
    const auto& length = plan_.length;
    int64_t in_lane = count > 1 ? chunk_ * length.in_step : plan_.inner.in_step;
    int64_t out_lane =
        count > 1 ? chunk_ * length.out_step : plan_.inner.out_step;
    auto lanes = static_cast<int>(count > 1 ? count : group.width);
    auto start = [&](int l) -> Monoid::Prefix& {
      return starts[count > 1 ? start_index(group.line, chunk + l)
                              : start_index(group.line + l, chunk)];
    };
    FrexpProducts products;
    for (int l = 0; l < lanes; ++l) set(products, l, start(l));
    for (int64_t row = first; row < first + rows; row += kFrexpRows) {
      int64_t in = group.in + row * length.in_step;
      int64_t out = group.out + row * length.out_step;
      FrexpBlock block{in_ + in,
                       stores ? mantissas_ + out : nullptr,
                       exponents_ + out,
                       length.in_step,
                       in_lane,
                       length.out_step,
                       out_lane,
                       std::min(kFrexpRows, first + rows - row),
                       lanes};
      const FrexpProducts before = products;
      uint32_t live = kernel_.walk(block, products, work_.inclusive);
      for (int l = 0; l < lanes; ++l) {
        if (live >> l & 1) continue;
        Monoid::Prefix r = get(before, l);
        loop(block, l, r, out + l * out_lane);
        set(products, l, r);
      }
    }
    for (int l = 0; l < lanes; ++l) start(l) = get(products, l);
  }

  // One lane of a block, element by element, whose first result is at `out`.
  void loop(const FrexpBlock& block, int l, Monoid::Prefix& r,
            int64_t out) const {
    auto* from = static_cast<const T*>(block.in) + l * block.lane;
    for (int64_t s = 0; s < block.rows; ++s) {
      int64_t at = out + s * block.out_step;
      if (block.mantissas && !work_.inclusive) store(r, at);
      Monoid::accumulate(r, widen(from[s * block.step]));
      if (block.mantissas && work_.inclusive) store(r, at);
    }
  }

  static void set(FrexpProducts& products, int l, const Monoid::Prefix& r) {
    products.hi[l] = r.mantissa.hi;
    products.lo[l] = r.mantissa.lo;
    products.exponent[l] = static_cast<double>(r.exponent);
  }
  static Monoid::Prefix get(const FrexpProducts& products, int l) {
    return {{products.hi[l], products.lo[l]},
            static_cast<int64_t>(products.exponent[l])};
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
                     line % plan_.inner.extent / width_);
    int64_t number = plan_.line_at(at.out + line % plan_.inner.extent % width_ *
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
    exponents_[at] = static_cast<int32_t>(
        std::clamp<int64_t>(exponent, static_cast<int64_t>(-kMaxExponent),
                            static_cast<int64_t>(kMaxExponent)));
  }

  const FrexpWork& work_;
  const Plan& plan_;
  const FrexpKernel& kernel_;
  const T* in_;
  T* mantissas_;
  int32_t* exponents_;
  int64_t length_;
  bool lines_are_lanes_;  // else chunks of one
  int64_t chunk_;         // elements of a chunk
  int64_t chunks_;        // of a line
  int64_t width_;         // lines of a group
  int64_t per_row_;       // groups of neighbouring lines
};

}  // namespace

void run_frexp(const FrexpWork& work, const FrexpResult& result) {
  visit_dtype(work.dtype, [&](auto value) {
    using T = decltype(value);
    if constexpr (is_real<T>) Frexp<T>(work, result).run();
  });
}

}  // namespace upsweep
