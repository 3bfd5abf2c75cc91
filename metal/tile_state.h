// The states that tiles publish to each other in a look-back (look_back.h).
#pragma once

namespace upsweep {

// A value that one threadgroup publishes to others, as vectors of three words
// and a flag, the epoch of the launch. Memory is not cleared between launches:
// a flag is 0, the epoch of a launch before, or that of this one. The last word
// of a vector is its flag whatever the layout, so no data of another launch is
// ever taken for one. A vector is stored and loaded atomically, so no fence is
// needed. Unused words hold the epoch too and are compared, because a compiler
// could split a load if it used only some of its words; they decide nothing.
template <class T>
struct TileState {
  static constant constexpr uint kWords = sizeof(T) / 4;
  static constant constexpr uint kVectors = (kWords + 2) / 3;

  // What a thread has loaded of a state.
  struct Snapshot {
    uint4 vector[kVectors];
  };

  static METAL_FUNC void publish(device uint4* at, T value, uint epoch) {
    Words words = as_type<Words>(value);
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      store_tile_state(
          at + v, uint4(get(words, 3 * v, epoch), get(words, 3 * v + 1, epoch),
                        get(words, 3 * v + 2, epoch), epoch));
    }
  }

  static METAL_FUNC Snapshot snapshot(device uint4* at) {
    Snapshot seen;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v)
      seen.vector[v] = load_tile_state(at + v);
    return seen;
  }

  static METAL_FUNC T wait_for(device uint4* at, Snapshot seen, uint epoch) {
    Words words;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      while (!is_complete(seen.vector[v], v, epoch))
        seen.vector[v] = load_tile_state(at + v);
      put(words, 3 * v, seen.vector[v].x);
      put(words, 3 * v + 1, seen.vector[v].y);
      put(words, 3 * v + 2, seen.vector[v].z);
    }
    return as_type<T>(words);
  }

 private:
  struct Words {
    uint word[kWords];
  };
  static METAL_FUNC uint get(Words words, uint i, uint epoch) {
    return i < kWords ? words.word[i] : epoch;
  }
  static METAL_FUNC void put(thread Words& words, uint i, uint word) {
    if (i < kWords) words.word[i] = word;
  }
  static METAL_FUNC bool is_complete(uint4 vector, uint v, uint epoch) {
    return vector.w == epoch && (3 * v + 1 < kWords || vector.y == epoch) &&
           (3 * v + 2 < kWords || vector.z == epoch);
  }
};

// The states of a panel's lines, as one thread sees them.
template <class M>
struct TileStates {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;
  static constant constexpr uint kBytes =
      tile_state_bytes(sizeof(typename M::Value)) + Resets<M>::kBytes;
  static_assert(TileState<Aggregate>::kVectors * 16 <= kBytes &&
                    TileState<Prefix>::kVectors * 16 <= kBytes,
                "tile_state_bytes is too small for a state");

  // Few words, because they live as long as a tile: where states are follows
  // from the parameters.
  device uint4* data;
  uint first;  // state of the line in a chunk

  static METAL_FUNC TileStates of(device uint4* data,
                                  constant ScanParams& params, uint panel,
                                  uint column) {
    return {data, panel * params.width + column};
  }

  // States from one chunk to the next.
  static METAL_FUNC uint chunk_stride(constant ScanParams& params) {
    return params.panels * params.width;
  }

  static METAL_FUNC device uint4* carry(TileStates states,
                                        constant ScanParams& params,
                                        uint chunk) {
    return at<Prefix>(states.data, index(states, params, chunk));
  }
  static METAL_FUNC device uint4* group(TileStates states,
                                        constant ScanParams& params,
                                        uint group) {
    return at<Aggregate>(groups(states, params), index(states, params, group));
  }
  // If a group has more than one tile.
  static METAL_FUNC device uint4* tile(TileStates states,
                                       constant ScanParams& params,
                                       uint chunk) {
    return at<Aggregate>(tiles(states, params), index(states, params, chunk));
  }
  static METAL_FUNC device uint4* exit(TileStates states,
                                       constant ScanParams& params,
                                       uint chunk) {
    uint aggregates =
        params.look_back_group == 1 ? 0 : params.chunks * chunk_stride(params);
    return at<Aggregate>(tiles(states, params), aggregates) +
           index(states, params, chunk);
  }

 private:
  static METAL_FUNC uint index(TileStates states, constant ScanParams& params,
                               uint i) {
    return states.first + i * chunk_stride(params);
  }
  static METAL_FUNC device uint4* groups(TileStates states,
                                         constant ScanParams& params) {
    return at<Prefix>(states.data, params.chunks * chunk_stride(params));
  }
  static METAL_FUNC device uint4* tiles(TileStates states,
                                        constant ScanParams& params) {
    uint count = (params.chunks + params.look_back_group - 1) >>
                 ctz(params.look_back_group);
    return at<Aggregate>(groups(states, params), count * chunk_stride(params));
  }

  // There are fewer than 2^32 states of a kind.
  template <class T>
  static METAL_FUNC device uint4* at(device uint4* first, uint i) {
    return first + int64_t(i) * TileState<T>::kVectors;
  }
};

}  // namespace upsweep
