// Moves tiles between device and threadgroup memory.
//
// A tile has the same order in threadgroup memory as its results have in device
// memory, so that neighbouring threads move neighbouring elements, 16 bytes
// each if alignment allows. Which element of which line that is does not matter
// here: threads find their elements by the steps of the Layout. Elements in
// another order than the results are put where the results have them
// (layout.h).
#pragma once

namespace upsweep {

// Moves a tile by vectors if its layout has any, with elements before and after
// them, else by elements. Issues several loads before it uses the first.
template <class V, uint items>
struct TileIO {
  using At = Layout<V>;
  using Tile = TileAccess<V, items>;
  using Walk = TileWalk<V>;
  using Elements = ElementLoads<V, items, sizeof(V) >= kLeastCopy>;
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

  // Puts elements where the layout of the result has them: by elements if the
  // device copies these without waiting, or if those of a vector go to unequal
  // distances.
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
  static_assert(kThreads % Tile::kRow == 0, "whole rows of slots");

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
