// Moves tiles between device and threadgroup memory.
//
// A tile has the same order in threadgroup memory as in device memory, so that
// neighbouring threads move neighbouring elements, 16 bytes each if alignment
// allows. Which element of which line that is does not matter here: threads
// find their elements by the steps of the Layout. The layouts of a tile's input
// and of its output may differ.
//
// Threadgroup memory has 32 banks of a word. Every row is followed by one
// vector of padding. The tuning file makes a row as long as most threads'
// items, so threads that read a row apart use different banks, whether word by
// word or vector by vector. No element lies in the padding; scans with resets
// keep their flags there (reset_flags.h).
#pragma once

namespace upsweep {

// Vectors of threadgroup memory for n elements, wherever in a vector they
// start.
constexpr uint32_t tile_vectors(uint32_t n, uint32_t element_size) {
  uint32_t vectors = n * element_size / 16 + 1;
  return vectors + vectors / (kRowBytes / 16) + 1;
}

#ifdef UPSWEEP_COPIES_ARE_ASYNC
constant constexpr uint kLeastCopy = 4;  // bytes that copy_in can copy
#else
constant constexpr uint kLeastCopy = 16;
METAL_FUNC void copy_in(threadgroup uint4* to, device const uint4* from) {
  to[0] = from[0];
}
METAL_FUNC void await_copies() {}
#endif

// A tile in threadgroup memory, by positions of elements.
template <class V>
struct TileAccess {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kPerRow = kRowBytes / sizeof(V);

  // The index of the element at a position, with the padding before it.
  static METAL_FUNC uint padded(uint at) {
    return at + at / kPerRow * kPerVector;
  }
  static METAL_FUNC V get(threadgroup const uint* tile, uint at) {
    return get_at(tile, padded(at));
  }
  static METAL_FUNC V get_at(threadgroup const uint* tile, uint index) {
    return ((threadgroup const V*)tile)[index];
  }
  static METAL_FUNC void put(threadgroup uint* tile, uint at, V value) {
    put_at(tile, padded(at), value);
  }
  static METAL_FUNC void put_at(threadgroup uint* tile, uint index, V value) {
    ((threadgroup V*)tile)[index] = value;
  }
  // The slot of the v-th vector, with the padding before it.
  static constexpr METAL_FUNC uint slot(uint v) {
    return v + v / (kRowBytes / 16);
  }
  static METAL_FUNC threadgroup uint4* at_slot(threadgroup uint* tile,
                                               uint slot) {
    return (threadgroup uint4*)tile + slot;
  }
  static METAL_FUNC uint4 get_slot(threadgroup const uint* tile, uint slot) {
    return ((threadgroup const uint4*)tile)[slot];
  }
  static METAL_FUNC void put_slot(threadgroup uint* tile, uint slot,
                                  uint4 value) {
    at_slot(tile, slot)[0] = value;
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
  // In the opposite order.
  static METAL_FUNC uint4 reversed(uint4 vector) {
    return uint4(reversed_word(vector.w), reversed_word(vector.z),
                 reversed_word(vector.y), reversed_word(vector.x));
  }
  static METAL_FUNC uint reversed_word(uint word) {
    if (sizeof(V) == 4) return word;
    if (sizeof(V) == 2) return word << 16 | word >> 16;
    return word << 24 | (word & 0xff00) << 8 | (word >> 8 & 0xff00) |
           word >> 24;
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
  static METAL_FUNC uint4 reversed(uint4 vector) {
    return uint4(vector.z, vector.w, vector.x, vector.y);
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
  static METAL_FUNC uint4 reversed(uint4 vector) {
    return Vector<uint2>::reversed(vector);
  }
};

// n / d for n below 2^16, where inverse is 1.0f / d.
METAL_FUNC uint quotient(uint n, float inverse) {
  return uint((float(n) + 0.5f) * inverse);
}

// The layout of a tile with a known start.
template <class V>
struct Layout {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kRest = kPerVector - 1;
  static constant constexpr uint kRound = kThreads * kPerVector;

  TileLayout tile;
  int64_t base;  // of the first element in memory
  uint shift;    // its position in a vector, if vectors are used
  bool vectors;

  // From the first element in scan order.
  static METAL_FUNC Layout of(TileLayout tile, int64_t start) {
    int64_t base = start - tile.origin_offset;
    uint rest = uint(base) & kRest;
    bool vectors = tile.vectors == kDenseVectors ||
                   (tile.vectors == kAlignedVectors && rest == 0);
    return {tile, base, vectors ? rest : 0, vectors};
  }

  // Whether elements follow each other in the same order.
  static METAL_FUNC bool are_equal(Layout a, Layout b) {
    return a.tile.first == b.tile.first && a.tile.column == b.tile.column &&
           a.tile.length == b.tile.length && a.tile.batch == b.tile.batch;
  }

  // The index of the i-th element in memory order.
  static METAL_FUNC int64_t address(Layout at, uint i) {
    if (at.tile.n0 == at.tile.count) return at.base + int64_t(i) * at.tile.m0;
    uint i12 = quotient(i, at.tile.inverse0);
    uint i2 = quotient(i12, at.tile.inverse1);
    return at.base + int64_t(i - i12 * at.tile.n0) * at.tile.m0 +
           int64_t(i12 - i2 * at.tile.n1) * at.tile.m1 +
           int64_t(i2) * at.tile.m2;
  }
};

// A walk over a tile's elements in memory order, a fixed number at a time: a
// division for each element would take longer than the element itself.
template <class V>
struct TileWalk {
  int64_t address;
  uint i0;  // the place in a run of n0, and among n1 runs
  uint i1;
  uint d0;  // what a step adds to them
  uint d1;
  int64_t step;    // in memory
  int64_t carry0;  // more of it at the end of a run, and of n1 runs
  int64_t carry1;

  // From the i-th element on.
  static METAL_FUNC TileWalk of(Layout<V> at, uint i, uint elements) {
    TileLayout t = at.tile;
    TileWalk w = {at.base, i, 0, elements, 0, int64_t(elements) * t.m0, 0, 0};
    if (t.n0 != t.count) {
      uint i12 = quotient(i, t.inverse0), d12 = quotient(elements, t.inverse0);
      uint i2 = quotient(i12, t.inverse1), d2 = quotient(d12, t.inverse1);
      w.i0 = i - i12 * t.n0;
      w.i1 = i12 - i2 * t.n1;
      w.d0 = elements - d12 * t.n0;
      w.d1 = d12 - d2 * t.n1;
      w.address += int64_t(w.i1) * t.m1 + int64_t(i2) * t.m2;
      w.step = int64_t(w.d0) * t.m0 + int64_t(w.d1) * t.m1 + int64_t(d2) * t.m2;
      w.carry0 = t.m1 - int64_t(t.n0) * t.m0;
      w.carry1 = t.m2 - int64_t(t.n1) * t.m1;
    }
    w.address += int64_t(w.i0) * t.m0;
    return w;
  }
  static METAL_FUNC void advance(thread TileWalk& w, TileLayout t) {
    w.address += w.step;
    w.i0 += w.d0;
    w.i1 += w.d1;
    if (w.i0 >= t.n0) {
      w.i0 -= t.n0;
      w.i1 += 1;
      w.address += w.carry0;
    }
    if (w.i1 >= t.n1) {
      w.i1 -= t.n1;
      w.address += w.carry1;
    }
  }
};

// The positions in a tile of the elements that a thread loads one by one: in
// the order of memory, or as a layout of places says.
template <class V>
struct PositionsInOrder {
  uint position;
  static METAL_FUNC void advance(thread PositionsInOrder& here) {
    here.position += kThreads;
  }
};
template <class V>
struct PositionsOfPlaces {
  uint position;
  TileWalk<V> walk;
  TileLayout places;

  static METAL_FUNC PositionsOfPlaces of(Layout<V> places, uint thread_index) {
    TileWalk<V> walk = TileWalk<V>::of(places, thread_index, kThreads);
    return {uint(walk.address), walk, places.tile};
  }
  static METAL_FUNC void advance(thread PositionsOfPlaces& here) {
    TileWalk<V>::advance(here.walk, here.places);
    here.position = uint(here.walk.address);
  }
};

// Loads elements one by one: without waiting where the device can, so that
// enough bytes are on the way, else several before the first is used.
template <class V, bool is_async>
struct ElementLoads {
  static constant constexpr uint kBatch = sizeof(V) < 4 ? 8 : 4;

  template <class Positions>
  static METAL_FUNC void load(device const V* from, threadgroup uint* tile,
                              Layout<V> at, Positions to, uint thread_index) {
    TileWalk<V> walk = TileWalk<V>::of(at, thread_index, kThreads);
    UPSWEEP_ROLL
    for (uint first = thread_index; first < at.tile.count;
         first += kBatch * kThreads) {
      V element[kBatch];
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        element[r] = V(0);
        if (first + r * kThreads < at.tile.count)
          element[r] = from[walk.address];
        TileWalk<V>::advance(walk, at.tile);
      }
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        if (first + r * kThreads < at.tile.count) {
          TileAccess<V>::put(tile, to.position, element[r]);
        }
        Positions::advance(to);
      }
    }
  }
};
#ifdef UPSWEEP_COPIES_ARE_ASYNC
template <class V>
struct ElementLoads<V, true> {
  template <class Positions>
  static METAL_FUNC void load(device const V* from, threadgroup uint* tile,
                              Layout<V> at, Positions to, uint thread_index) {
    TileWalk<V> walk = TileWalk<V>::of(at, thread_index, kThreads);
    UPSWEEP_ROLL
    for (uint i = thread_index; i < at.tile.count; i += kThreads) {
      copy_in((threadgroup V*)tile + TileAccess<V>::padded(to.position),
              from + walk.address);
      TileWalk<V>::advance(walk, at.tile);
      Positions::advance(to);
    }
  }
};
#endif

// Moves a tile by vectors if its layout has any, with elements before and after
// them, else by elements. Issues several loads before it uses the first.
template <class V, uint items>
struct TileIO {
  using At = Layout<V>;
  using Tile = TileAccess<V>;
  using Walk = TileWalk<V>;
  using Elements = ElementLoads<V, sizeof(V) >= kLeastCopy>;
  static constant constexpr uint kPerVector = At::kPerVector;
  static constant constexpr uint kRounds = items * sizeof(V) / 16;
  static constant constexpr uint kBatch = 4;
  static_assert(items * sizeof(V) % 16 == 0, "a thread's items are vectors");

  // Puts the first element in memory order at the position `shift`. Elements
  // may arrive only by await_copies.
  static METAL_FUNC void load(device const V* from, threadgroup uint* tile,
                              At at, uint shift, uint thread_index) {
    if (!at.vectors) {
      Elements::load(from, tile, at, PositionsInOrder<V>{shift + thread_index},
                     thread_index);
      return;
    }
    Middle m = middle_of(at);
    if (at.tile.round != 0 && shift == at.shift) {
      device const V* cursor =
          from + At::address(at, m.head + thread_index * kPerVector);
      uint slot = Tile::slot(m.slot + thread_index);
      uint rounds = rounds_of(m, thread_index);
      if (rounds == kRounds) {
        load_rounds(cursor, at.tile.round, tile, slot, kRounds);
      } else {
        load_rounds(cursor, at.tile.round, tile, slot, rounds);
      }
    } else {
      load_in_batches(from, tile, at, m, shift, thread_index);
    }
    if (m.vectors * kPerVector == at.tile.count) return;
    uint tail = m.head + m.vectors * kPerVector + thread_index;
    if (thread_index < m.head) {
      Tile::put(tile, shift + thread_index,
                from[at.base + int64_t(thread_index)]);
    }
    if (tail < at.tile.count) {
      Tile::put(tile, shift + tail, from[At::address(at, tail)]);
    }
  }

  // As load, but puts elements where the layout of the result has them.
  static METAL_FUNC void load_to(device const V* from, threadgroup uint* tile,
                                 At at, At places, uint thread_index) {
    if (sizeof(V) < kLeastCopy && can_place_vectors(at, places)) {
      place_vectors(from, tile, at, places, thread_index);
      return;
    }
    Elements::load(from, tile, at,
                   PositionsOfPlaces<V>::of(places, thread_index),
                   thread_index);
  }

  static METAL_FUNC void store(threadgroup const uint* tile, device V* to,
                               At at, uint thread_index) {
    if (!at.vectors) {
      Walk walk = Walk::of(at, thread_index, kThreads);
      UPSWEEP_ROLL
      for (uint i = thread_index; i < at.tile.count; i += kThreads) {
        to[walk.address] = Tile::get(tile, i);
        Walk::advance(walk, at.tile);
      }
      return;
    }
    Middle m = middle_of(at);
    if (at.tile.round != 0) {
      device V* cursor =
          to + At::address(at, m.head + thread_index * kPerVector);
      uint slot = Tile::slot(m.slot + thread_index);
      uint rounds = rounds_of(m, thread_index);
      if (rounds == kRounds) {
        store_rounds(tile, slot, cursor, at.tile.round, kRounds);
      } else {
        store_rounds(tile, slot, cursor, at.tile.round, rounds);
      }
    } else {
      Walk walk = vector_walk(at, m, thread_index);
      UPSWEEP_ROLL
      for (uint v = thread_index; v < m.vectors; v += kThreads) {
        ((device uint4*)(to + walk.address))[0] =
            Tile::get_slot(tile, Tile::slot(m.slot + v));
        Walk::advance(walk, at.tile);
      }
    }
    if (m.vectors * kPerVector == at.tile.count) return;
    uint tail = m.head + m.vectors * kPerVector + thread_index;
    if (thread_index < m.head) {
      to[at.base + int64_t(thread_index)] =
          Tile::get(tile, at.shift + thread_index);
    }
    if (tail < at.tile.count) {
      to[At::address(at, tail)] = Tile::get(tile, at.shift + tail);
    }
  }

 private:
  // Slots from one round to the next.
  static constant constexpr uint kSlots = Tile::slot(kThreads);
  static_assert(kThreads % (kRowBytes / 16) == 0, "whole rows of slots");

  // The whole vectors of a tile.
  struct Middle {
    uint head;     // elements before them
    uint vectors;  // how many
    uint slot;     // of the first one, without padding
  };

  static METAL_FUNC Middle middle_of(At at) {
    uint head = min(at.tile.count, (kPerVector - at.shift) % kPerVector);
    return {head, (at.tile.count - head) / kPerVector,
            (at.shift + head) / kPerVector};
  }
  // Over a thread's vectors.
  static METAL_FUNC Walk vector_walk(At at, Middle m, uint thread_index) {
    return Walk::of(at, m.head + thread_index * kPerVector,
                    kThreads * kPerVector);
  }

  // How many of them a thread moves, one in each round.
  static METAL_FUNC uint rounds_of(Middle m, uint thread_index) {
    uint left = m.vectors > thread_index ? m.vectors - thread_index : 0;
    return (left + kThreads - 1) / kThreads;
  }

  // Compiled separately for the case of all kRounds.
  static METAL_FUNC void load_rounds(device const V* cursor, int64_t round,
                                     threadgroup uint* tile, uint slot,
                                     uint rounds) {
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      if (r < rounds) {
        copy_in(Tile::at_slot(tile, slot + r * kSlots),
                (device const uint4*)cursor);
      }
      cursor = cursor + round;
    }
  }
  static METAL_FUNC void store_rounds(threadgroup const uint* tile, uint slot,
                                      device V* cursor, int64_t round,
                                      uint rounds) {
    UPSWEEP_UNROLL
    for (uint r = 0; r < kRounds; ++r) {
      if (r < rounds) {
        ((device uint4*)cursor)[0] = Tile::get_slot(tile, slot + r * kSlots);
      }
      cursor = cursor + round;
    }
  }

  // Whether the elements of each vector lie at equal distances where they go.
  static METAL_FUNC bool can_place_vectors(At at, At places) {
    bool is_one_run = places.tile.n0 == at.tile.count;
    bool are_whole = at.shift == 0 && places.tile.n0 % kPerVector == 0;
    return at.vectors && (is_one_run || are_whole);
  }
  // Elements that are too small to be loaded one by one.
  static METAL_FUNC void place_vectors(device const V* from,
                                       threadgroup uint* tile, At at, At places,
                                       uint thread_index) {
    Middle m = middle_of(at);
    uint step = uint(places.tile.m0);
    Walk walk = vector_walk(at, m, thread_index);
    Walk place = vector_walk(places, m, thread_index);
    UPSWEEP_ROLL
    for (uint first = thread_index; first < m.vectors;
         first += kBatch * kThreads) {
      uint4 loaded[kBatch];
      uint position[kBatch];
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        uint v = first + r * kThreads;
        if (v < m.vectors) {
          loaded[r] = ((device const uint4*)(from + walk.address))[0];
        }
        position[r] = uint(place.address);
        Walk::advance(walk, at.tile);
        Walk::advance(place, places.tile);
      }
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        if (first + r * kThreads >= m.vectors) continue;
        place_vector(tile, loaded[r], position[r], step);
      }
    }
    uint tail = m.head + m.vectors * kPerVector + thread_index;
    if (thread_index < m.head) {
      Tile::put(tile, uint(At::address(places, thread_index)),
                from[At::address(at, thread_index)]);
    }
    if (tail < at.tile.count) {
      Tile::put(tile, uint(At::address(places, tail)),
                from[At::address(at, tail)]);
    }
  }
  static METAL_FUNC void place_vector(threadgroup uint* tile, uint4 vector,
                                      uint position, uint step) {
    uint last = position - Tile::kPerVector + 1;
    if (step == uint(-1) && last % Tile::kPerVector == 0) {
      Tile::put_slot(tile, Tile::slot(last / Tile::kPerVector),
                     Vector<V>::reversed(vector));
      return;
    }
    UPSWEEP_UNROLL
    for (uint j = 0; j < Tile::kPerVector; ++j) {
      Tile::put(tile, position + j * step, Vector<V>::get(vector, j));
    }
  }

  static METAL_FUNC void load_in_batches(device const V* from,
                                         threadgroup uint* tile, At at,
                                         Middle m, uint shift,
                                         uint thread_index) {
    Walk walk = vector_walk(at, m, thread_index);
    UPSWEEP_ROLL
    for (uint first = thread_index; first < m.vectors;
         first += kBatch * kThreads) {
      uint4 loaded[kBatch];
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        uint v = first + r * kThreads;
        if (v < m.vectors) {
          loaded[r] = ((device const uint4*)(from + walk.address))[0];
        }
        Walk::advance(walk, at.tile);
      }
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        uint v = first + r * kThreads;
        if (v >= m.vectors) continue;
        if (shift == at.shift) {
          Tile::put_slot(tile, Tile::slot(m.slot + v), loaded[r]);
          continue;
        }
        UPSWEEP_UNROLL
        for (uint j = 0; j < kPerVector; ++j) {
          Tile::put(tile, shift + m.head + v * kPerVector + j,
                    Vector<V>::get(loaded[r], j));
        }
      }
    }
  }
};

}  // namespace upsweep
