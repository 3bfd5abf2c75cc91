// A thread's items of one of two arrays of a tile, a block of them at a time.
#pragma once

namespace upsweep {

template <class V>
struct ItemBlock {
  static constant constexpr uint kOfPair =
      pair_items(items(2 * sizeof(V)), sizeof(V));
  static constant constexpr uint kItems = kOfPair < 8 ? uint(kOfPair) : 8;
  V item[kItems];
};

template <class V>
struct ItemBlocks {
  using Tile = TileAccess<V, ItemBlock<V>::kOfPair>;
  static constant constexpr uint kItems = ItemBlock<V>::kItems;
  static constant constexpr uint kVectors = kItems / Tile::kPerVector;
  static_assert(kItems % Tile::kPerVector == 0, "whole vectors");

  threadgroup uint* tile;
  uint count;
  int at;    // the first item
  int step;  // to the next one
  bool has_vectors;

  static METAL_FUNC ItemBlocks of(Line<V, ItemBlock<V>::kOfPair> line,
                                  uint position, uint count) {
    int at = line.first + line.step * int(position);
    int low = line.step < 0 ? at + 1 - int(count) : at;
    bool has_vectors = (line.step == 1 || line.step == -1) &&
                       uint(low) % Tile::kPerVector == 0 && count % kItems == 0;
    return {line.tile, count, at, line.step, has_vectors};
  }

  static METAL_FUNC V item(ItemBlocks here, uint i) {
    return Tile::get(here.tile, position(here, i));
  }
  static METAL_FUNC void put(ItemBlocks here, uint i, V value) {
    Tile::put(here.tile, position(here, i), value);
  }
  // How many items the block from the item `begin` on has.
  static METAL_FUNC uint size(ItemBlocks here, uint begin) {
    return min(here.count - begin, uint(kItems));
  }
  // That block; beyond the last item it has `neutral`.
  static METAL_FUNC ItemBlock<V> read(ItemBlocks here, uint begin, V neutral) {
    ItemBlock<V> block;
    if (here.has_vectors) {
      UPSWEEP_UNROLL
      for (uint k = 0; k < kVectors; ++k) {
        uint4 vector = Tile::get_slot(here.tile, slot_of(here, begin, k));
        UPSWEEP_UNROLL
        for (uint j = 0; j < Tile::kPerVector; ++j) {
          uint from = here.step > 0 ? j : Tile::kPerVector - 1 - j;
          block.item[k * Tile::kPerVector + j] = Vector<V>::get(vector, from);
        }
      }
      return block;
    }
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      block.item[i] = neutral;
      if (begin + i < here.count) {
        block.item[i] = item(here, begin + i);
      }
    }
    return block;
  }

  static METAL_FUNC void write(ItemBlocks here, uint begin,
                               ItemBlock<V> block) {
    if (here.has_vectors) {
      UPSWEEP_UNROLL
      for (uint k = 0; k < kVectors; ++k) {
        uint4 vector = uint4(0, 0, 0, 0);
        UPSWEEP_UNROLL
        for (uint j = 0; j < Tile::kPerVector; ++j) {
          V forward = block.item[k * Tile::kPerVector + j];
          V backward = block.item[(k + 1) * Tile::kPerVector - 1 - j];
          vector =
              Vector<V>::with(vector, j, here.step > 0 ? forward : backward);
        }
        Tile::put_slot(here.tile, slot_of(here, begin, k), vector);
      }
      return;
    }
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      if (begin + i < here.count) put(here, begin + i, block.item[i]);
    }
  }

 private:
  static METAL_FUNC uint position(ItemBlocks here, uint i) {
    return uint(here.at + int(i) * here.step);
  }
  // The slot of the k-th vector of a block.
  static METAL_FUNC uint slot_of(ItemBlocks here, uint begin, uint k) {
    uint v = begin / Tile::kPerVector + k;
    uint first = uint(here.at) / Tile::kPerVector;
    return Tile::slot(here.step > 0 ? first + v : first - v);
  }
};

}  // namespace upsweep
