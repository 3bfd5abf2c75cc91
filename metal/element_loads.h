// Loads elements of a tile one by one, to anywhere in threadgroup memory.
#pragma once

namespace upsweep {

#ifdef UPSWEEP_COPIES_ARE_ASYNC
constant constexpr uint kLeastCopy = 4;  // bytes that copy_in can copy
#else
constant constexpr uint kLeastCopy = 16;
METAL_FUNC void copy_in(threadgroup uint4* to, device const uint4* from) {
  to[0] = from[0];
}
METAL_FUNC void await_copies() {}
#endif

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
template <class V, uint items, bool is_async>
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
          TileAccess<V, items>::put(tile, to.position, element[r]);
        }
        Positions::advance(to);
      }
    }
  }
};
#ifdef UPSWEEP_COPIES_ARE_ASYNC
template <class V, uint items>
struct ElementLoads<V, items, true> {
  template <class Positions>
  static METAL_FUNC void load(device const V* from, threadgroup uint* tile,
                              Layout<V> at, Positions to, uint thread_index) {
    TileWalk<V> walk = TileWalk<V>::of(at, thread_index, kThreads);
    UPSWEEP_ROLL
    for (uint i = thread_index; i < at.tile.count; i += kThreads) {
      copy_in((threadgroup V*)tile + TileAccess<V, items>::padded(to.position),
              from + walk.address);
      TileWalk<V>::advance(walk, at.tile);
      Positions::advance(to);
    }
  }
};
#endif

}  // namespace upsweep
