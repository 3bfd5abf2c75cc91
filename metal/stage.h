// Staging: a tile on its way between device and threadgroup memory.
//
// In threadgroup memory a tile lies in the order in which it lies in device
// memory, so that neighbouring threads move neighbours, 16 bytes each where
// alignment allows. Which element of which line that is, does not matter here:
// threads find their elements by the steps of the Layout. The layouts of a
// tile's input and of its output may differ.
//
// Threadgroup memory has 32 banks of a word. After every 32 words one is left
// out: threads that read at a distance of a power of two, as each does in its
// own part of a line, then meet different banks, and so do those that write
// vectors word by word.
#pragma once

namespace upsweep {

// Words of threadgroup memory for n elements, wherever in a vector of 16 bytes
// they start.
constexpr uint32_t tile_words(uint32_t n, uint32_t element_size) {
  return (n * element_size / 4 + 4) / 32 * 33 + 33;
}

// The element at a position of a tile.
template <class V>
struct TileAccess {
  static constant constexpr uint kPerWord = 4 / sizeof(V);
  static constant constexpr uint kPerRow = 128 / sizeof(V);
  static METAL_FUNC V get(threadgroup const uint* tile, uint at) {
    return ((threadgroup const V*)tile)[at + at / kPerRow * kPerWord];
  }
  static METAL_FUNC void put(threadgroup uint* tile, uint at, V value) {
    ((threadgroup V*)tile)[at + at / kPerRow * kPerWord] = value;
  }
};

template <>
struct TileAccess<uint2> {
  static METAL_FUNC uint2 get(threadgroup const uint* tile, uint at) {
    uint word = 2 * at + at / 16;
    return uint2(tile[word], tile[word + 1]);
  }
  static METAL_FUNC void put(threadgroup uint* tile, uint at, uint2 value) {
    uint word = 2 * at + at / 16;
    tile[word] = value.x;
    tile[word + 1] = value.y;
  }
};

template <>
struct TileAccess<ulong> {
  static METAL_FUNC ulong get(threadgroup const uint* tile, uint at) {
    return as_type<ulong>(TileAccess<uint2>::get(tile, at));
  }
  static METAL_FUNC void put(threadgroup uint* tile, uint at, ulong value) {
    TileAccess<uint2>::put(tile, at, as_type<uint2>(value));
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

// The index in device memory of the i-th element of a tile in memory order.
template <class V>
METAL_FUNC int64_t address(Layout<V> at, uint i, float inverse0,
                           float inverse1) {
  uint i12 = quotient(i, inverse0);
  uint i2 = quotient(i12, inverse1);
  return at.base + int64_t(i - i12 * at.n0) * at.m0 +
         int64_t(i12 - i2 * at.n1) * at.m1 + int64_t(i2) * at.m2;
}

// Moves a tile whose layout has vectors by those, and by elements before and
// after them; any other tile by elements. First all loads are issued, then what
// they bring is used.
template <class V, uint items>
struct Stage {
  static constant constexpr uint kPerVector = Layout<V>::kPerVector;
  static constant constexpr uint kRounds = items * sizeof(V) / 16;
  static_assert(items * sizeof(V) % 16 == 0, "a thread's part is vectors");

  static METAL_FUNC void in(device const V* from, threadgroup uint* tile,
                            Layout<V> at, uint thread_index) {
    float inverse0 = 1.0f / float(at.n0), inverse1 = 1.0f / float(at.n1);
    if (!at.vectors) {
      V element[items];
      UPSWEEP_UNROLL
      for (uint r = 0; r < items; ++r) {
        uint i = thread_index + r * kThreads;
        if (i < at.count) {
          element[r] = from[address(at, i, inverse0, inverse1)];
        }
      }
      UPSWEEP_UNROLL
      for (uint r = 0; r < items; ++r) {
        uint i = thread_index + r * kThreads;
        if (i < at.count) TileAccess<V>::put(tile, i, element[r]);
      }
      return;
    }
    uint head = min(at.count, (kPerVector - at.shift) % kPerVector);
    uint whole = (at.count - head) / kPerVector;
    uint4 loaded[kRounds];
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      uint v = thread_index + r * kThreads;
      if (v < whole) {
        int64_t i = address(at, head + v * kPerVector, inverse0, inverse1);
        loaded[r] = ((device const uint4*)(from + i))[0];
      }
    }
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      uint v = thread_index + r * kThreads;
      if (v < whole) {
        threadgroup uint* to = tile + words_before(at.shift + head, v);
        to[0] = loaded[r].x;
        to[1] = loaded[r].y;
        to[2] = loaded[r].z;
        to[3] = loaded[r].w;
      }
    }
    uint tail = head + whole * kPerVector + thread_index;
    if (thread_index < head) {
      TileAccess<V>::put(tile, at.shift + thread_index,
                         from[at.base + int64_t(thread_index)]);
    }
    if (tail < at.count) {
      TileAccess<V>::put(tile, at.shift + tail,
                         from[address(at, tail, inverse0, inverse1)]);
    }
  }

  static METAL_FUNC void out(threadgroup const uint* tile, device V* to,
                             Layout<V> at, uint thread_index) {
    float inverse0 = 1.0f / float(at.n0), inverse1 = 1.0f / float(at.n1);
    if (!at.vectors) {
      for (uint i = thread_index; i < at.count; i += kThreads) {
        to[address(at, i, inverse0, inverse1)] = TileAccess<V>::get(tile, i);
      }
      return;
    }
    uint head = min(at.count, (kPerVector - at.shift) % kPerVector);
    uint whole = (at.count - head) / kPerVector;
    for (uint v = thread_index; v < whole; v += kThreads) {
      threadgroup const uint* from = tile + words_before(at.shift + head, v);
      int64_t i = address(at, head + v * kPerVector, inverse0, inverse1);
      ((device uint4*)(to + i))[0] = uint4(from[0], from[1], from[2], from[3]);
    }
    uint tail = head + whole * kPerVector + thread_index;
    if (thread_index < head) {
      to[at.base + int64_t(thread_index)] =
          TileAccess<V>::get(tile, at.shift + thread_index);
    }
    if (tail < at.count) {
      to[address(at, tail, inverse0, inverse1)] =
          TileAccess<V>::get(tile, at.shift + tail);
    }
  }

 private:
  // Words of a tile before vector v behind the given element.
  static METAL_FUNC uint words_before(uint element, uint v) {
    uint word = element / kPerVector * 4 + v * 4;
    return word + word / 32;
  }
};

}  // namespace upsweep
