// Flags of resets: one byte for each element, at the index of its result, which
// is not 0 if the element is a reset. They become bits in threadgroup memory,
// in the order of the result's device memory, and then a mask for each thread.
// The padding of the tile has room for the bits (tile_access.h).
#pragma once

namespace upsweep {

template <class M>
struct WithResets;

// Which of a thread's items are resets.
struct ResetMask {
  ulong low;
  ulong high;  // of the items from the 64th on

  // Without the first n items.
  static METAL_FUNC ResetMask after(ResetMask mask, uint n) {
    if (n == 0) return mask;
    if (n >= 128) return {0, 0};
    if (n >= 64) return {mask.high >> (n - 64), 0};
    return {(mask.low >> n) | (mask.high << (64 - n)), mask.high >> n};
  }
};

template <class M>
struct ThreadItems<WithResets<M>> {
  using Value = typename M::Value;
  static constant constexpr uint kItems = items(sizeof(Value));
  static_assert(kItems <= 128, "room in a mask");
  Line<Value, kItems> line;
  uint position;  // of the first element in the line
  uint count;
  ResetMask resets = {0, 0};
};

// Which of four bytes are not 0, as four bits.
METAL_FUNC uint flag_bits(uint bytes) {
  uint high = (((bytes & 0x7f7f7f7fu) + 0x7f7f7f7fu) | bytes) & 0x80808080u;
  return high * 0x00204081u >> 28;
}
METAL_FUNC uint flag_bits(uint4 bytes) {
  return flag_bits(bytes.x) | flag_bits(bytes.y) << 4 |
         flag_bits(bytes.z) << 8 | flag_bits(bytes.w) << 12;
}

// The flags of a tile in device memory, in the order of the result, from a
// multiple of 16 bytes on if they follow one another. A set is 16 of them.
template <class V>
struct FlagLayout {
  static constant constexpr uint kSet = 16;

  Layout<V> out;
  uint lead;   // places before the first flag
  uint shift;  // from the index of a result to that of its flag
  bool sets;   // may be loaded whole, at once
  bool quads;  // four flags at a time may be

  static METAL_FUNC FlagLayout of(Layout<V> out, uint shift) {
    bool close = out.tile.m0 == 1 && shift == 0;
    bool dense = close && out.tile.n0 == out.tile.count;
    uint rest =
        uint(out.base) | uint(out.tile.m1) | uint(out.tile.m2) | out.tile.n0;
    return {out, dense ? uint(out.base) % kSet : 0, shift,
            dense || (close && rest % kSet == 0),
            close && !dense && rest % 4 == 0};
  }

  // Sets, an even number of them.
  static METAL_FUNC uint count(FlagLayout here) {
    return (here.lead + here.out.tile.count + 2 * kSet - 1) / (2 * kSet) * 2;
  }
  // Of the first flag of a set, from 2^32 on down in the set before the first.
  static METAL_FUNC uint index(FlagLayout here, uint set) {
    return set * kSet - here.lead;
  }
  static METAL_FUNC bool is_whole(FlagLayout here, uint set) {
    uint i = index(here, set), n = here.out.tile.count;
    return here.sets && i < n && n - i >= kSet;
  }
  static METAL_FUNC uint4 load_whole(FlagLayout here, device const uchar* flags,
                                     uint set) {
    int64_t at = Layout<V>::address(here.out, index(here, set));
    return ((device const uint4*)(flags + at))[0];
  }
  // The bits of a set that is not whole.
  static METAL_FUNC uint load_parts(FlagLayout here, device const uchar* flags,
                                    uint set) {
    uint bits = 0;
    UPSWEEP_ROLL
    for (uint quad = 0; quad < kSet; quad += 4) {
      uint i = index(here, set) + quad, some = 0;
      if (here.quads && i < here.out.tile.count) {
        int64_t at = Layout<V>::address(here.out, i);
        some = flag_bits(((device const uint*)(flags + at))[0]);
      } else {
        UPSWEEP_UNROLL
        for (uint j = 0; j < 4; ++j) {
          if (i + j >= here.out.tile.count) continue;
          int64_t at = Layout<V>::address(here.out, i + j) >> here.shift;
          some |= uint(flags[at] != 0) << j;
        }
      }
      bits |= some << quad;
    }
    return bits;
  }
};

// Bits in the padding of a tile's first rows, four words in each.
template <class Tile>
struct FlagBits {
  static METAL_FUNC uint place(uint word) {
    return word / 4 * (4 * Tile::kRow + 4) + 4 * Tile::kRow + word % 4;
  }
  static METAL_FUNC uint get(threadgroup const uint* tile, uint word) {
    return tile[place(word)];
  }
  static METAL_FUNC void put_set(threadgroup uint* tile, uint set, uint bits) {
    ((threadgroup ushort*)tile)[2 * place(set / 2) + set % 2] = ushort(bits);
  }
};

// The flags of a tile of a monoid whose items have a mask.
template <class M>
struct ResetFlags {
  using Value = typename M::Value;
  using Items = ThreadItems<M>;
  using Flags = FlagLayout<Value>;
  static constant constexpr uint kBits = kThreads * Items::kItems;
  using Tile = TileAccess<Value, Items::kItems>;
  using Bits = FlagBits<Tile>;
  static constant constexpr uint kRows = kBits / Tile::kPerRow;
  static_assert(kBits / 128 <= kRows, "room in the padding");
  // A row more if the last bits need it.
  static constant constexpr uint kVectors =
      kBits / 128 < kRows ? 0 : Tile::kRow;

  // Puts the bits of a tile into threadgroup memory.
  static METAL_FUNC void load(Task<M> task, constant ScanParams& params,
                              Layout<Value> out) {
    threadgroup uint* tile = task.shared.tile;
    Flags here = Flags::of(out, params.reset_shift);
    uint thread_index = index_of(task.thread_id);
    uint count = Flags::count(here);
    UPSWEEP_ROLL
    for (uint first = thread_index; here.sets && first < count;
         first += kBatch * kThreads) {
      uint4 loaded[kBatch];
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        uint set = first + r * kThreads;
        loaded[r] = uint4(0, 0, 0, 0);
        if (Flags::is_whole(here, set)) {
          loaded[r] = Flags::load_whole(here, task.resets, set);
        }
      }
      UPSWEEP_UNROLL
      for (uint r = 0; r < kBatch; ++r) {
        uint set = first + r * kThreads;
        if (Flags::is_whole(here, set)) {
          Bits::put_set(tile, set, flag_bits(loaded[r]));
        }
      }
    }
    UPSWEEP_ROLL
    for (uint set = thread_index; set < count; set += kThreads) {
      if (Flags::is_whole(here, set)) continue;
      Bits::put_set(tile, set, Flags::load_parts(here, task.resets, set));
    }
  }

  // Completes the items of a thread, once all bits are there.
  static METAL_FUNC Items read(Task<M> task, constant ScanParams& params,
                               uint span, Layout<Value> out, Items items) {
    uint lead = Flags::of(out, params.reset_shift).lead;
    Items at = thread_items_at(task, params, span, out.tile, lead);
    int step = at.line.step;
    int first = at.line.first + step * int(at.position);
    threadgroup const uint* tile = task.shared.tile;
    if (step == 1 || step == -1) {
      uint low = step > 0 ? uint(first) : uint(first) - items.count + 1;
      items.resets = adjacent(tile, low, items.count);
      if (step < 0) items.resets = reversed(items.resets, items.count);
    } else {
      items.resets = strided(tile, first, step, items.count);
    }
    return items;
  }

 private:
  // Sets that a thread loads before it uses the first.
  static constant constexpr uint kBatch = 2;

  static METAL_FUNC ResetMask adjacent(threadgroup const uint* tile, uint first,
                                       uint count) {
    uint end = count == 0 ? 0 : (first + count + 31) / 32;
    ulong part[3] = {0, 0, 0};
    UPSWEEP_UNROLL
    for (uint w = 0; w <= (Items::kItems + 31) / 32; ++w) {
      uint at = first / 32 + w;
      if (at < end) part[w / 2] |= ulong(Bits::get(tile, at)) << (w % 2 * 32);
    }
    uint shift = first % 32;
    ResetMask mask = ResetMask::after({part[0], part[1]}, shift);
    // Not those of the next thread.
    if (count < 64) mask.low &= (ulong(1) << count) - 1;
    if (Items::kItems <= 64 || count <= 64) return {mask.low, 0};
    if (shift != 0) mask.high |= part[2] << (64 - shift);
    return {mask.low, mask.high & (~ulong(0) >> (128 - count))};
  }

  // In the opposite order.
  static METAL_FUNC ResetMask reversed(ResetMask mask, uint count) {
    ulong low = reversed(mask.low);
    if (Items::kItems <= 64) return {low >> ((64 - count) & 63), 0};
    return ResetMask::after({reversed(mask.high), low}, 128 - count);
  }
  static METAL_FUNC ulong reversed(ulong x) {
    return ulong(reverse_bits(uint(x))) << 32 | reverse_bits(uint(x >> 32));
  }

  static METAL_FUNC ResetMask strided(threadgroup const uint* tile, int first,
                                      int step, uint count) {
    ResetMask mask = {0, 0};
    UPSWEEP_ROLL
    for (uint begin = 0; begin < count; begin += 8) {
      uint some = 0;
      UPSWEEP_UNROLL
      for (uint j = 0; j < 8; ++j) {
        uint at = uint(first + step * int(begin + j));
        if (begin + j < count) {
          some |= (Bits::get(tile, at / 32) >> (at % 32) & 1) << j;
        }
      }
      ulong word = ulong(some) << (begin & 63);
      if (begin < 64) {
        mask.low |= word;
      } else {
        mask.high |= word;
      }
    }
    return mask;
  }
};

template <class M>
struct Resets<WithResets<M>> {
  using Flags = ResetFlags<WithResets<M>>;
  using Items = ThreadItems<WithResets<M>>;
  using TileOut = Layout<typename M::Value>;
  static constant constexpr uint kBytes = kResetBytes;
  static constant constexpr uint kVectors = Flags::kVectors;
  static constant constexpr bool kHasSecond = false;

  static METAL_FUNC void load(Task<WithResets<M>> task,
                              constant ScanParams& params, int64_t, uint,
                              TileOut out) {
    Flags::load(task, params, out);
  }
  static METAL_FUNC Items read(Task<WithResets<M>> task,
                               constant ScanParams& params, uint span,
                               TileOut out, Items items) {
    return Flags::read(task, params, span, out, items);
  }
};

}  // namespace upsweep
