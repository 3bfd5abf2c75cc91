// A tile in threadgroup memory: where its elements are, and vectors of them.
//
// Threadgroup memory has 32 banks of a word. Every row is followed by one
// vector of padding. A row is as long as a thread's items of an array, so that
// threads that read a row apart use different banks, whether word by word or
// vector by vector. No element lies in the padding; scans with resets keep
// their flags there (reset_flags.h).
#pragma once

namespace upsweep {

// Vectors of a row, if a thread has so many items: at least one of each bank.
constexpr uint32_t row_vectors(uint32_t items, uint32_t element_size) {
  return items * element_size < 128 ? 8 : items * element_size / 16;
}
// Vectors of threadgroup memory for that many items of each thread, wherever in
// a vector they start.
constexpr uint32_t tile_vectors(uint32_t items, uint32_t element_size) {
  uint32_t vectors = kThreads * items * element_size / 16 + 1;
  return vectors + vectors / row_vectors(items, element_size) + 1;
}

// A tile in threadgroup memory, by positions of elements.
template <class V, uint items>
struct TileAccess {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kRow = row_vectors(items, sizeof(V));
  static constant constexpr uint kPerRow = kRow * kPerVector;

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
  static constexpr METAL_FUNC uint slot(uint v) { return v + v / kRow; }
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

}  // namespace upsweep
