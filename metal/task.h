// A threadgroup's task: the lines that it scans, as each of its threads sees
// it.
#pragma once

namespace upsweep {

// The memory that the threads of a group share.
template <class M>
struct Shared {
  threadgroup uint* tile;
  threadgroup typename M::Aggregate* simdgroup_aggregates;
  threadgroup atomic_uint* any_flag;
};

// What a threadgroup works on, as one thread sees it.
template <class M>
struct Task {
  using Value = typename M::Value;
  device const Value* in;
  device Value* out;
  device const uchar* resets;    // of WithResets and of recurrences
  device const uchar* initials;  // of the kind that the parameters say
  device const Value* second;    // the terms b of a recurrence
  Panel panel;
  ThreadCoord coord;
  ThreadLayout thread_layout;
  ThreadId thread_id;
  Shared<M> shared;
};

template <class M>
METAL_FUNC Task<M> make_task(device const typename M::Value* in,
                             device typename M::Value* out,
                             device const uchar* resets,
                             device const uchar* initials,
                             device const typename M::Value* second,
                             constant ScanParams& params, uint panel_index,
                             ThreadId thread_id, Shared<M> shared) {
  Panel panel = make_panel(params, panel_index);
  ThreadCoord coord = make_coord(params, panel, index_of(thread_id));
  ThreadLayout thread_layout = {params.column_threads, params.line_threads};
  return {in,    out,   resets,        initials,  second,
          panel, coord, thread_layout, thread_id, shared};
}

// What resets and a second input add to a tile and to a thread's items
// (reset_flags.h, recurrence_scan.h): nothing where M has none.
template <class M>
struct Resets {
  using TileOut = Layout<typename M::Value>;
  static constant constexpr uint kBytes = 0;          // of a state
  static constant constexpr uint kVectors = 0;        // of threadgroup memory
  static constant constexpr bool kHasSecond = false;  // input

  static METAL_FUNC void load(Task<M>, constant ScanParams&, int64_t, uint,
                              TileOut) {}
  static METAL_FUNC ThreadItems<M> read(Task<M>, constant ScanParams&, uint,
                                        TileOut, ThreadItems<M> items) {
    return items;
  }
};

template <class M>
constexpr uint32_t tile_vectors() {
  return tile_vectors(ThreadItems<M>::kItems, sizeof(typename M::Value)) +
         Resets<M>::kVectors;
}

// Whether `mine` is true in any thread of the group. The flag is 0 before.
METAL_FUNC bool any_thread(bool mine, threadgroup atomic_uint* any_flag) {
  if (mine) atomic_store_explicit(any_flag, 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return atomic_load_explicit(any_flag, memory_order_relaxed) != 0;
}

}  // namespace upsweep
