// Staging: a tile on its way between device and threadgroup memory.
//
// In threadgroup memory a tile lies in the order in which it lies in device
// memory, so that neighbouring threads move neighbours, 16 bytes each where
// alignment allows. Which element of which line that is, does not matter here:
// threads find their elements by the steps of the Layout. The layouts of a
// tile's input and of its output may differ.
//
// Threadgroup memory has 32 banks of a word. After every 32 words, a row, the
// room of a vector is left out: threads that read at a distance of a power of
// two, as each does in its own part of a line, then meet different banks, be it
// word by word or vector by vector.
#pragma once

namespace upsweep {

// Vectors of threadgroup memory for n elements, wherever in a vector they
// start.
constexpr uint32_t tile_vectors(uint32_t n, uint32_t element_size) {
  return (n * element_size / 16 + 1) / 8 * 9 + 9;
}

// A tile in threadgroup memory, by positions of elements.
template <class V>
struct TileAccess {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kPerRow = 128 / sizeof(V);

  // Where the element at a position is, with what is left out before it.
  static METAL_FUNC uint place(uint at) {
    return at + at / kPerRow * kPerVector;
  }
  static METAL_FUNC V get(threadgroup const uint* tile, uint at) {
    return get_at(tile, place(at));
  }
  static METAL_FUNC V get_at(threadgroup const uint* tile, uint place) {
    return ((threadgroup const V*)tile)[place];
  }
  static METAL_FUNC void put(threadgroup uint* tile, uint at, V value) {
    put_at(tile, place(at), value);
  }
  static METAL_FUNC void put_at(threadgroup uint* tile, uint place, V value) {
    ((threadgroup V*)tile)[place] = value;
  }
  // The v-th vector.
  static METAL_FUNC uint4 get_vector(threadgroup const uint* tile, uint v) {
    return ((threadgroup const uint4*)tile)[v + v / 8];
  }
  static METAL_FUNC void put_vector(threadgroup uint* tile, uint v,
                                    uint4 value) {
    ((threadgroup uint4*)tile)[v + v / 8] = value;
  }
};

// Elements of a vector.
template <class V>
struct Vector {
  static constant constexpr uint kPerWord = 4 / sizeof(V);
  static METAL_FUNC V get(uint4 vector, uint i) {
    uint w = i / kPerWord;
    uint word = w == 0   ? vector.x
                : w == 1 ? vector.y
                : w == 2 ? vector.z
                         : vector.w;
    return V(word >> (i % kPerWord * (8 * sizeof(V) % 32)));
  }
  // A vector of zeros with the i-th element put in.
  static METAL_FUNC uint4 with(uint4 vector, uint i, V value) {
    uint w = i / kPerWord;
    uint bits = uint(value) << (i % kPerWord * (8 * sizeof(V) % 32));
    return uint4(vector.x | (w == 0 ? bits : 0), vector.y | (w == 1 ? bits : 0),
                 vector.z | (w == 2 ? bits : 0),
                 vector.w | (w == 3 ? bits : 0));
  }
};

template <>
struct Vector<uint2> {
  static METAL_FUNC uint2 get(uint4 vector, uint i) {
    return i == 0 ? uint2(vector.x, vector.y) : uint2(vector.z, vector.w);
  }
  static METAL_FUNC uint4 with(uint4 vector, uint i, uint2 value) {
    return i == 0 ? uint4(value.x, value.y, vector.z, vector.w)
                  : uint4(vector.x, vector.y, value.x, value.y);
  }
};

template <>
struct Vector<ulong> {
  static METAL_FUNC ulong get(uint4 vector, uint i) {
    return as_type<ulong>(Vector<uint2>::get(vector, i));
  }
  static METAL_FUNC uint4 with(uint4 vector, uint i, ulong value) {
    return Vector<uint2>::with(vector, i, as_type<uint2>(value));
  }
};

// n / d for n below 2^16, where inverse is 1.0f / d.
METAL_FUNC uint quotient(uint n, float inverse) {
  return uint((float(n) + 0.5f) * inverse);
}

// An axis of a tile in device memory.
struct TileAxis {
  int64_t step;
  uint extent;
  uint id;
  bool turned;  // it is scanned, or counted, against the direction of memory
};

METAL_FUNC TileAxis tile_axis(uint id, uint extent, int64_t step) {
  bool turned = step < 0;
  return {turned ? -step : step, extent, id, turned};
}

METAL_FUNC int last(TileAxis axis) { return int(axis.extent) - 1; }

// From the first element in scan order back to the first one in memory.
METAL_FUNC int64_t turn(TileAxis axis) {
  return axis.turned ? axis.step * int64_t(last(axis)) : 0;
}

// Brings the axis with the smaller step to the front; those that have but one
// element go to the back.
METAL_FUNC void order(thread TileAxis& a, thread TileAxis& b) {
  bool swaps = b.extent != 1 && (a.extent == 1 || b.step < a.step);
  TileAxis front = swaps ? b : a;
  b = swaps ? a : b;
  a = front;
}

// From element to element along an axis of a tile whose fastest axes are a and
// b.
METAL_FUNC int tile_step(TileAxis axis, TileAxis a, TileAxis b) {
  return axis.id == a.id   ? 1
         : axis.id == b.id ? int(a.extent)
                           : int(a.extent * b.extent);
}

template <class V>
struct Layout {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kRest = kPerVector - 1;

  // Device memory: runs of n0 elements, n1 of them side by side, and so on.
  int64_t base;
  int64_t m0;
  int64_t m1;
  int64_t m2;
  uint n0;
  uint n1;
  uint count;
  bool vectors;
  // Threadgroup memory: the first element in memory, the first one in scan
  // order, and the steps from there.
  uint shift;
  int first;
  int lane;
  int length;
  int block;
};

// The layout of a tile whose first element in scan order is at `base`.
template <class V>
METAL_FUNC Layout<V> make_layout(int64_t base, TileAxis lane, TileAxis length,
                                 TileAxis block) {
  Layout<V> to;
  to.base = base - turn(lane) - turn(length) - turn(block);
  to.count = lane.extent * length.extent * block.extent;

  TileAxis a = lane, b = length, c = block;
  order(a, b);
  order(b, c);
  order(a, b);
  int along_lane = tile_step(lane, a, b);
  int along_length = tile_step(length, a, b);
  int along_block = tile_step(block, a, b);
  to.lane = lane.turned ? -along_lane : along_lane;
  to.length = length.turned ? -along_length : along_length;
  to.block = block.turned ? -along_block : along_block;

  // Axes that one step can walk are one.
  to.n0 = a.extent;
  to.n1 = b.extent;
  uint n2 = c.extent;
  to.m0 = a.step;
  to.m1 = b.step;
  to.m2 = c.step;
  for (int i = 0; i < 2; ++i) {
    if (to.n1 > 1 && to.m1 == to.m0 * int64_t(to.n0)) {
      to.n0 *= to.n1;
      to.n1 = n2;
      to.m1 = to.m2;
      n2 = 1;
    }
  }

  // One run may start anywhere, several have to start at vectors.
  bool dense = to.n0 == to.count;
  uint rest = uint(to.base | to.m1 | (n2 > 1 ? to.m2 : 0)) | to.n0;
  to.vectors = to.m0 == 1 && (dense || (rest & to.kRest) == 0);
  to.shift = to.vectors ? uint(to.base) & to.kRest : 0;
  to.first = int(to.shift) + (lane.turned ? along_lane * last(lane) : 0) +
             (length.turned ? along_length * last(length) : 0) +
             (block.turned ? along_block * last(block) : 0);
  return to;
}

// The way through device memory by positions of a tile.
template <class V>
struct Way {
  Layout<V> at;
  bool dense;
  float inverse0;
  float inverse1;

  static METAL_FUNC Way of(Layout<V> at) {
    if (at.n0 == at.count) return {at, true, 0, 0};
    return {at, false, 1.0f / float(at.n0), 1.0f / float(at.n1)};
  }

  // The index of the i-th element in memory order.
  static METAL_FUNC int64_t address(Way way, uint i) {
    Layout<V> at = way.at;
    if (way.dense) return at.base + int64_t(i) * at.m0;
    uint i12 = quotient(i, way.inverse0);
    uint i2 = quotient(i12, way.inverse1);
    return at.base + int64_t(i - i12 * at.n0) * at.m0 +
           int64_t(i12 - i2 * at.n1) * at.m1 + int64_t(i2) * at.m2;
  }

  // How far it is from an element to that `apart` elements on, where that is
  // the same everywhere; else 0.
  static METAL_FUNC int64_t distance(Way way, uint apart) {
    if (way.dense) return int64_t(apart) * way.at.m0;
    uint runs = quotient(apart, way.inverse0);
    bool even =
        runs * way.at.n0 == apart && way.at.n0 * way.at.n1 == way.at.count;
    return even ? int64_t(runs) * way.at.m1 : 0;
  }
};

// Moves a tile whose layout has vectors by those, and by elements before and
// after them; any other tile by elements. First loads are issued, then what
// they bring is used.
template <class V, uint items>
struct Stage {
  static constant constexpr uint kPerVector = Layout<V>::kPerVector;
  static constant constexpr uint kRounds = items * sizeof(V) / 16;
  static constant constexpr uint kBatch = 4;
  static_assert(items * sizeof(V) % 16 == 0, "a thread's part is vectors");

  static METAL_FUNC void in(device const V* from, threadgroup uint* tile,
                            Layout<V> at, uint thread_index) {
    Way<V> way = Way<V>::of(at);
    if (!at.vectors) {
      UPSWEEP_ROLL
      for (uint first = thread_index; first < at.count;
           first += kBatch * kThreads) {
        V element[kBatch];
        UPSWEEP_UNROLL
        for (uint r = 0; r < kBatch; ++r) {
          uint i = first + r * kThreads;
          if (i < at.count) element[r] = from[Way<V>::address(way, i)];
        }
        UPSWEEP_UNROLL
        for (uint r = 0; r < kBatch; ++r) {
          uint i = first + r * kThreads;
          if (i < at.count) TileAccess<V>::put(tile, i, element[r]);
        }
      }
      return;
    }
    uint head = head_of(at);
    uint whole = (at.count - head) / kPerVector;
    uint before = (at.shift + head) / kPerVector;
    int64_t round = Way<V>::distance(way, kRound);
    int64_t place = Way<V>::address(way, head + thread_index * kPerVector);
    uint4 loaded[kRounds];
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      uint v = thread_index + r * kThreads;
      if (v < whole) {
        if (round == 0) place = Way<V>::address(way, head + v * kPerVector);
        loaded[r] = ((device const uint4*)(from + place))[0];
      }
      place += round;
    }
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      uint v = thread_index + r * kThreads;
      if (v < whole) {
        TileAccess<V>::put_vector(tile, before + v, loaded[r]);
      }
    }
    uint tail = head + whole * kPerVector + thread_index;
    if (thread_index < head) {
      TileAccess<V>::put(tile, at.shift + thread_index,
                         from[at.base + int64_t(thread_index)]);
    }
    if (tail < at.count) {
      TileAccess<V>::put(tile, at.shift + tail,
                         from[Way<V>::address(way, tail)]);
    }
  }

  static METAL_FUNC void out(threadgroup const uint* tile, device V* to,
                             Layout<V> at, uint thread_index) {
    Way<V> way = Way<V>::of(at);
    if (!at.vectors) {
      UPSWEEP_ROLL
      for (uint i = thread_index; i < at.count; i += kThreads) {
        to[Way<V>::address(way, i)] = TileAccess<V>::get(tile, i);
      }
      return;
    }
    uint head = head_of(at);
    uint whole = (at.count - head) / kPerVector;
    uint before = (at.shift + head) / kPerVector;
    int64_t round = Way<V>::distance(way, kRound);
    int64_t place = Way<V>::address(way, head + thread_index * kPerVector);
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      uint v = thread_index + r * kThreads;
      if (v < whole) {
        if (round == 0) place = Way<V>::address(way, head + v * kPerVector);
        ((device uint4*)(to + place))[0] =
            TileAccess<V>::get_vector(tile, before + v);
      }
      place += round;
    }
    uint tail = head + whole * kPerVector + thread_index;
    if (thread_index < head) {
      to[at.base + int64_t(thread_index)] =
          TileAccess<V>::get(tile, at.shift + thread_index);
    }
    if (tail < at.count) {
      to[Way<V>::address(way, tail)] =
          TileAccess<V>::get(tile, at.shift + tail);
    }
  }

 private:
  static constant constexpr uint kRound = kThreads * kPerVector;

  // Elements before the first whole vector.
  static METAL_FUNC uint head_of(Layout<V> at) {
    return min(at.count, (kPerVector - at.shift) % kPerVector);
  }
};

}  // namespace upsweep
