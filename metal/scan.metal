// The kernels: scans of many lines along one axis, and copies (copy.h).
//
// Strategy
//
// A tile is a piece of width × batches lines, `span` elements of each
// (params.h). A threadgroup loads it into threadgroup memory in the order that
// results have in device memory, so that whole vectors are moved whichever axis
// is scanned (tile_io.h). Each thread reduces its consecutive items of one line
// in registers (register_tile.h, thread_scan.h). Shuffles and threadgroup
// memory give it the aggregate of all threads before it (group.h). It then
// scans its items from there; results replace the elements (tile.h). Monoids
// compute in arithmetic wide enough for the contract of
// docs/guides/numerics.rst (product.h and its neighbours).
//
// Lines that a thread has room for: it scans several, one after the other,
// without a word to other threads (whole_lines.h). They have a kernel of their
// own, because the others need all registers themselves.
//
// Three passes (Apple GPUs): a threadgroup walks a chunk of tiles along the
// axis and passes the carry from tile to tile, so that each element is read
// and written once. With enough lines to fill the device, a line is one chunk
// and one pass suffices. Longer lines have several chunks, in
// reduce-then-scan: up-sweep, spine, down-sweep. No pass waits for another
// threadgroup.
//
// Look-back (NVIDIA GPUs): one pass, where a threadgroup scans one tile and
// waits for the states of earlier tiles (look_back.h).
//
// Kernels, for each <name> of a scan in kernels.def
//
//   upsweep_<name>    aggregates[panel][chunk][line] = the total of each line
//                     of a chunk but the last one, whose total nobody needs.
//                     Grid: panels · chunks.
//   spine_<name>      carries[panel][chunk][line] = what enters each chunk. It
//                     reads elements only where a result may leave the range
//                     of the dtype within a chunk, which decides what follows
//                     and cannot be told from aggregates. Grid: panels.
//   downsweep_<name>  the results, or what chunks amount to (chunk_carry.h).
//                     Grid: panels · chunks. With chunks == 1 it needs no pass
//                     before it and reads no carries.
//
//   lookback_<name>   all of it at once, where the tuning file has it: tiles is
//                     1, unless it gives totals. Grid: panels · chunks. With
//                     chunks == 1 it uses no buffer but the first three.
//
//   wholelines_<name> the results of lines that are in one tile and have one
//                     thread each, instead of any of those above. It uses no
//                     buffers 3 and 4. Grid: panels.
//
// Kernels of the derivatives of products, for each <name> of kernels.def. Other
// elements enter each result from both ends of its line, so these reduce, then
// scan, on all GPUs; a chunk is one tile.
//
//   products_<name>       Jvp: the product of each line of each chunk
//   productspine_<name>   Jvp: the product that enters each chunk, of those
//                         chunks that are in its group (gradient_spine.h)
//   productgroups_<name>  Jvp: the product that enters each group of chunks
//   reduce_<name>         what each line of each chunk makes of the sum before
//                         it; Vjp: and the product
//   sumspine_<name>       what enters each chunk, likewise
//   sumgroups_<name>      what enters each group
//   finish_<name>         the results. With chunks == 1 it needs no other.
//
//   Lines of one group need no kernel over groups. Grids: panels · chunks; of
//   spines, the groups of each line, but lines · spine_threads (params.h) in
//   threads if lines have one; of kernels over groups, the same with their
//   entries; with width · batches lines in each panel.
//
//   A panel is the width × batches lines of one tile. Panels are counted along
//   column, then batch, then the outer axes, the last of which is the fastest:
//   ceil(column.extent / width) · ceil(batch.extent / batches) · outer extents.
//   The grid has one dimension, threadgroups of kThreads threads each (the
//   tuning file) and less than 2^32 threads in all; panel · chunks + chunk is a
//   threadgroup's index.
//
// Arguments, the same for all
//
//   buffer(0)  in: elements, as integers of their size
//   buffer(1)  out: likewise, or ChunkCarries; only kernels that give these
//              write it
//   buffer(2)  ScanParams, by setBytes
//   buffer(3)  aggregates: kAggregateBytes each, and kResetBytes with resets
//              and for recurrences; kGradientBytes each for derivatives
//   buffer(4)  carries: kCarryBytes each; kGradientBytes for each group
//   buffer(5)  resets: one byte for each element of the dtype, at the index of
//              its result; only the kernels with resets (resets.h) read it
//   buffer(6)  initial values (initial.h): elements, or a CarryNumber each
//   buffer(7)  the terms b of a recurrence; buffer 0 has the factors a. Of a
//              derivative, the cotangent or the tangent, and the elements
//
// For lookback, unless it gives totals, buffer 3 holds states of
// tile_state_bytes each, and kResetBytes as above: a carry for each line of
// each chunk; unless a set is 1, an aggregate for each line of each group and,
// of groups of several, for each line of each chunk; then kExitBytes for each
// line of each chunk. The host clears the buffer once. Later launches of any
// lookback kernel may use it as it is, one after the other, if each has an
// epoch of its own (params.h): a kernel ignores states of other epochs. Nothing
// else may write there.
//
// Unused buffers are bound too, to any buffer. Buffers 0, 1, 5 and 7 start
// at multiples of 16 bytes; in_start gives the offset of an array within.

#include <metal_stdlib>

using namespace metal;

// Error terms of sums and products are exact only without.
#pragma METAL fp contract(off)

#include "scan.h"

namespace upsweep {

template <class M>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void up_sweep(
    device const typename M::Value* in [[buffer(0)]],
    device typename M::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device typename M::Aggregate* aggregates [[buffer(3)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename M::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate simdgroup_aggregates[kThreads];
  threadgroup atomic_uint any_flag;
  uint panel = group / params.chunks;
  uint chunk = group - panel * params.chunks;
  if (chunk == params.chunks - 1) return;
  Shared<M> shared = {(threadgroup uint*)tile, simdgroup_aggregates, &any_flag};
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              {lane, simdgroup}, shared);
  typename M::Aggregate total = reduce_chunk(task, params, chunk);
  if (task.coord.is_active && task.coord.line_thread == 0) {
    aggregates[chunk_index(params, panel, chunk, task.coord)] = total;
  }
}

template <class M>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void spine(
    device const typename M::Value* in [[buffer(0)]],
    device typename M::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device const typename M::Aggregate* aggregates [[buffer(3)]],
    device typename M::Prefix* carries [[buffer(4)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename M::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate simdgroup_aggregates[kThreads];
  threadgroup atomic_uint any_flag;
  Shared<M> shared = {(threadgroup uint*)tile, simdgroup_aggregates, &any_flag};
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, group,
                              {lane, simdgroup}, shared);
  scan_spine(task, params, {aggregates, carries});
}

template <class M>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void down_sweep(
    device const typename M::Value* in [[buffer(0)]],
    device typename M::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device const typename M::Aggregate* aggregates [[buffer(3)]],
    device const typename M::Prefix* carries [[buffer(4)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename M::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate simdgroup_aggregates[kThreads];
  threadgroup atomic_uint any_flag;
  uint panel = group / params.chunks;
  uint chunk = group - panel * params.chunks;
  Shared<M> shared = {(threadgroup uint*)tile, simdgroup_aggregates, &any_flag};
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              {lane, simdgroup}, shared);
  typename M::Prefix carry = M::initial();
  if (chunk == 0) {
    carry = initial_prefix(task, params);
    store_initial(task, params, carry);
  } else if (task.coord.is_active) {
    carry = carries[chunk_index(params, panel, chunk, task.coord)];
  }
  if (params.gives == kGivesResults) {
    scan_chunk<M, true>(task, params, chunk, carry);
  } else {
    store_chunk_carry(task, params, aggregates, chunk, carry);
  }
}

template <class M>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void whole_lines(
    device const typename M::Value* in [[buffer(0)]],
    device typename M::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename M::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup atomic_uint any_flag;
  // Threads have nothing for each other.
  Shared<M> shared = {(threadgroup uint*)tile,
                      (threadgroup typename M::Aggregate*)tile, &any_flag};
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, group,
                              {lane, simdgroup}, shared);
  WholeLines<M>::scan(task, params);
}

#ifdef UPSWEEP_LOOK_BACK
template <class M>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void look_back(
    device const typename M::Value* in [[buffer(0)]],
    device typename M::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device uint4* states [[buffer(3)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename M::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate simdgroup_aggregates[kThreads];
  threadgroup atomic_uint any_flag;
  ThreadId thread_id = {lane, simdgroup};
  uint chunk = params.chunks == 1 ? 0 : divide(group, params.panels);
  uint panel = group - chunk * params.panels;
  Shared<M> shared = {(threadgroup uint*)tile, simdgroup_aggregates, &any_flag};
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              thread_id, shared);
  scan_tile(task, params, chunk,
            TileStates<M>::of(states, params, panel, task.coord.column));
}

#define UPSWEEP_LOOK_BACK_KERNEL(name, ...)            \
  template [[host_name("lookback_" #name)]] [[kernel]] \
  decltype(look_back<__VA_ARGS__>) look_back<__VA_ARGS__>;
#else
#define UPSWEEP_LOOK_BACK_KERNEL(name, ...)
#endif

#ifdef UPSWEEP_THREE_PASSES
#define UPSWEEP_PASS_KERNELS(name, ...)                  \
  template [[host_name("upsweep_" #name)]] [[kernel]]    \
  decltype(up_sweep<__VA_ARGS__>) up_sweep<__VA_ARGS__>; \
  template [[host_name("spine_" #name)]] [[kernel]]      \
  decltype(spine<__VA_ARGS__>) spine<__VA_ARGS__>;       \
  template [[host_name("downsweep_" #name)]] [[kernel]]  \
  decltype(down_sweep<__VA_ARGS__>) down_sweep<__VA_ARGS__>;
#else
#define UPSWEEP_PASS_KERNELS(name, ...)
#endif

template <class G>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void products(
    device const typename G::Value* in [[buffer(0)]],
    device typename G::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device uchar* totals [[buffer(3)]], device uchar* carries [[buffer(4)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename G::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using M = typename G::M;
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate maps[kThreads];
  threadgroup FactorProduct::Aggregate shared_products[kThreads];
  threadgroup atomic_uint any_flag;
  Shared<M> shared = {(threadgroup uint*)tile, maps, &any_flag};
  uint panel = group / params.chunks;
  uint chunk = group - panel * params.chunks;
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              {lane, simdgroup}, shared);
  GradientLines<G> lines = {task.thread_layout, task.thread_id, maps,
                            shared_products};
  GradientTile<G>::reduce_products(
      task, lines, params, chunk,
      GradientStates<G>::of(totals, carries, params));
}

template <class G>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void reduce_sums(
    device const typename G::Value* in [[buffer(0)]],
    device typename G::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device uchar* totals [[buffer(3)]], device uchar* carries [[buffer(4)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename G::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using M = typename G::M;
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate maps[kThreads];
  threadgroup FactorProduct::Aggregate shared_products[kThreads];
  threadgroup atomic_uint any_flag;
  Shared<M> shared = {(threadgroup uint*)tile, maps, &any_flag};
  uint panel = group / params.chunks;
  uint chunk = group - panel * params.chunks;
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              {lane, simdgroup}, shared);
  GradientLines<G> lines = {task.thread_layout, task.thread_id, maps,
                            shared_products};
  GradientTile<G>::reduce(task, lines, params, chunk,
                          GradientStates<G>::of(totals, carries, params));
}

template <class S>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void gradient_spine(
    constant ScanParams& params [[buffer(2)]],
    device uchar* totals [[buffer(3)]], device uchar* carries [[buffer(4)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup typename S::Aggregate shared[kThreads];
  S::scan(params, totals, carries, group, {lane, simdgroup}, shared);
}

template <class G>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void finish_gradient(
    device const typename G::Value* in [[buffer(0)]],
    device typename G::Value* out [[buffer(1)]],
    constant ScanParams& params [[buffer(2)]],
    device uchar* totals [[buffer(3)]], device uchar* carries [[buffer(4)]],
    device const uchar* resets [[buffer(5)]],
    device const uchar* initials [[buffer(6)]],
    device const typename G::Value* second [[buffer(7)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using M = typename G::M;
  threadgroup uint4 tile[tile_vectors<M>()];
  threadgroup typename M::Aggregate maps[kThreads];
  threadgroup FactorProduct::Aggregate shared_products[kThreads];
  threadgroup atomic_uint any_flag;
  Shared<M> shared = {(threadgroup uint*)tile, maps, &any_flag};
  uint panel = group / params.chunks;
  uint chunk = group - panel * params.chunks;
  Task<M> task = make_task<M>(in, out, resets, initials, second, params, panel,
                              {lane, simdgroup}, shared);
  GradientLines<G> lines = {task.thread_layout, task.thread_id, maps,
                            shared_products};
  GradientTile<G>::finish(task, lines, params, chunk,
                          GradientStates<G>::of(totals, carries, params));
}

template <class C>
[[kernel, max_total_threads_per_threadgroup(kThreads)]] void copy(
    device const uchar* in [[buffer(0)]], device uchar* out [[buffer(1)]],
    constant CopyParams& params [[buffer(2)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint first =
      group * (uint(kThreads) * kCopyItems) + index_of({lane, simdgroup});
  copy_thread<C>(in, out, params, first);
}

#define UPSWEEP_SPINES(of, name, ...)                    \
  template [[host_name(#of "spine_" #name)]] [[kernel]]  \
  decltype(gradient_spine<ChunkSpine<__VA_ARGS__>>)      \
      gradient_spine<ChunkSpine<__VA_ARGS__>>;           \
  template [[host_name(#of "groups_" #name)]] [[kernel]] \
  decltype(gradient_spine<GroupSpine<__VA_ARGS__>>)      \
      gradient_spine<GroupSpine<__VA_ARGS__>>;
#define UPSWEEP_DERIVATIVE_KERNELS(name, ...)                  \
  template [[host_name("reduce_" #name)]] [[kernel]]           \
  decltype(reduce_sums<__VA_ARGS__>) reduce_sums<__VA_ARGS__>; \
  template [[host_name("finish_" #name)]] [[kernel]]           \
  decltype(finish_gradient<__VA_ARGS__>) finish_gradient<__VA_ARGS__>;

#define UPSWEEP_VJP(name, F)                     \
  UPSWEEP_SPINES(sum, name, BothOfSpine<Vjp<F>>) \
  UPSWEEP_DERIVATIVE_KERNELS(name, Vjp<F>)
#define UPSWEEP_JVP(name, F)                             \
  template [[host_name("products_" #name)]] [[kernel]]   \
  decltype(products<Jvp<F>>) products<Jvp<F>>;           \
  UPSWEEP_SPINES(product, name, ProductsOfSpine<Jvp<F>>) \
  UPSWEEP_SPINES(sum, name, MapsOfSpine<Jvp<F>>)         \
  UPSWEEP_DERIVATIVE_KERNELS(name, Jvp<F>)

#define UPSWEEP_COPY(name, ...)                    \
  template [[host_name("copy_" #name)]] [[kernel]] \
  decltype(copy<__VA_ARGS__>) copy<__VA_ARGS__>;

#define UPSWEEP_KERNEL(name, ...)                              \
  template [[host_name("wholelines_" #name)]] [[kernel]]       \
  decltype(whole_lines<__VA_ARGS__>) whole_lines<__VA_ARGS__>; \
  UPSWEEP_LOOK_BACK_KERNEL(name, __VA_ARGS__)                  \
  UPSWEEP_PASS_KERNELS(name, __VA_ARGS__)

#include "kernels.def"

}  // namespace upsweep
