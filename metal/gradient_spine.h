// The spine of the derivative of a product: from what chunks amount to, what
// enters them. A thread has a chunk. Up to a threadgroup's worth of
// neighbouring chunks are a group, which a threadgroup scans; lines with fewer
// chunks share one. If lines have several groups, a second kernel scans their
// totals in the same way. A reader of a chunk's entry combines it with the
// entry of its group.
//
// Both kernels overwrite what they read with their results.
#pragma once

namespace upsweep {

// What lines make of the sum before them and their products: of each chunk, or
// of each group of chunks.
template <class F>
struct GradientEntries {
  using Map = typename Recurrence<F>::Aggregate;
  using Product = FactorProduct::Aggregate;
  static_assert(sizeof(Map) + sizeof(Product) <= kGradientBytes,
                "room for both");

  device Map* maps;
  device Product* products;
  uint count;  // of a line

  static METAL_FUNC GradientEntries of_chunks(device uchar* totals,
                                              constant ScanParams& params) {
    return of(totals, params, params.chunks);
  }
  static METAL_FUNC GradientEntries of_groups(device uchar* carries,
                                              constant ScanParams& params) {
    return of(carries, params, spine_groups(params.chunks, kThreads));
  }

 private:
  static METAL_FUNC GradientEntries of(device uchar* room,
                                       constant ScanParams& params,
                                       uint count) {
    int64_t entries =
        int64_t(params.panels) * count * params.width * params.batches;
    return {
        (device Map*)room,
        (device Product*)(room + entries * (kGradientBytes - sizeof(Product))),
        count};
  }
};

// Neighbouring entries of a line.
struct SpineRun {
  int64_t first;
  int64_t step;  // to the next one
  uint count;

  static METAL_FUNC int64_t at(SpineRun run, uint i) {
    return run.first + i * run.step;
  }
  // From the other end.
  static METAL_FUNC int64_t at_opposite(SpineRun run, uint i) {
    return at(run, run.count - 1 - i);
  }
};

// What a spine scans: a monoid, and the i-th of a run in its direction.
template <class G>
struct ProductsOfSpine {
  using Format = typename G::Format;
  using Slots = GradientEntries<Format>;
  using Monoid = FactorProduct;
  using Aggregate = Monoid::Aggregate;

  static METAL_FUNC Aggregate load(Slots entries, SpineRun run, uint i) {
    return entries.products[at(run, i)];
  }
  static METAL_FUNC void store(Slots entries, SpineRun run, uint i,
                               Aggregate before) {
    entries.products[at(run, i)] = before;
  }

 private:
  static METAL_FUNC int64_t at(SpineRun run, uint i) {
    return G::kIsAgainstProduct ? SpineRun::at_opposite(run, i)
                                : SpineRun::at(run, i);
  }
};

template <class G>
struct MapsOfSpine {
  using Format = typename G::Format;
  using Slots = GradientEntries<Format>;
  using Monoid = Recurrence<Format>;
  using Aggregate = typename Monoid::Aggregate;

  static METAL_FUNC Aggregate load(Slots entries, SpineRun run, uint i) {
    return entries.maps[SpineRun::at(run, i)];
  }
  static METAL_FUNC void store(Slots entries, SpineRun run, uint i,
                               Aggregate before) {
    entries.maps[SpineRun::at(run, i)] = before;
  }
};

// At once, because a spine's time is the latency of its steps.
template <class G>
struct BothOfSpine {
  using Format = typename G::Format;
  using Slots = GradientEntries<Format>;
  using Maps = MapsOfSpine<G>;
  using Products = ProductsOfSpine<G>;
  struct Aggregate {
    typename Maps::Aggregate map;
    typename Products::Aggregate product;
  };

  struct Monoid {
    using M = typename Maps::Monoid;
    using P = typename Products::Monoid;
    using Aggregate = typename BothOfSpine::Aggregate;

    static METAL_FUNC Aggregate identity() {
      return {M::identity(), P::identity()};
    }
    static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
      return {M::combine(a.map, b.map), P::combine(a.product, b.product)};
    }
    static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
      return {M::shuffle_up(t.map, delta), P::shuffle_up(t.product, delta)};
    }
  };

  static METAL_FUNC Aggregate load(Slots entries, SpineRun run, uint i) {
    return {Maps::load(entries, run, i), Products::load(entries, run, i)};
  }
  static METAL_FUNC void store(Slots entries, SpineRun run, uint i,
                               Aggregate before) {
    Maps::store(entries, run, i, before.map);
    Products::store(entries, run, i, before.product);
  }
};

// The threads of a threadgroup, in lines of as many as a run has use for.
struct SpineThreads {
  ThreadLayout layout;
  ThreadId id;
  uint line;         // of the threadgroup
  uint line_thread;  // of the line

  static METAL_FUNC SpineThreads of(uint entries, ThreadId thread_id) {
    uint threads = spine_threads(entries, kThreads);
    uint lines = kThreads / threads;
    uint thread_index = index_of(thread_id);
    return {{lines, threads},
            thread_id,
            thread_index % lines,
            thread_index / lines};
  }

  // The run of a line, which may be beyond the last one.
  static METAL_FUNC SpineRun run(constant ScanParams& params, int64_t line,
                                 uint entries, uint begin, uint count) {
    int64_t lines = int64_t(params.width) * params.batches;  // of a panel
    int64_t panel = line / lines;
    int64_t first = (panel * entries + begin) * lines + (line - panel * lines);
    return {first, lines, panel < params.panels ? count : 0};
  }
};

// Scans a run; returns its total. All threads of the threadgroup must call it,
// for runs of as many steps.
template <class S>
METAL_FUNC typename S::Aggregate scan_run(typename S::Slots entries,
                                          SpineRun run, uint steps,
                                          SpineThreads threads,
                                          threadgroup
                                          typename S::Aggregate* shared) {
  using Monoid = typename S::Monoid;
  using Aggregate = typename S::Aggregate;
  Aggregate total = Monoid::identity();
  for (uint step = 0; step < steps; ++step) {
    uint i = step * threads.layout.line_threads + threads.line_thread;
    Aggregate own = Monoid::identity();
    if (i < run.count) own = S::load(entries, run, i);
    if (step != 0) threadgroup_barrier(mem_flags::mem_threadgroup);
    ScanResult<Monoid> scanned =
        group_scan<Monoid>(own, threads.layout, threads.id, shared);
    if (step != 0) scanned.before = Monoid::combine(total, scanned.before);
    if (i < run.count) S::store(entries, run, i, scanned.before);
    total = step == 0 ? scanned.total : Monoid::combine(total, scanned.total);
  }
  return total;
}

// What a threadgroup does in a spine over chunks: what enters each chunk of a
// group, from the start of the group.
template <class S>
struct ChunkSpine {
  using Aggregate = typename S::Aggregate;

  static METAL_FUNC void scan(constant ScanParams& params, device uchar* totals,
                              device uchar* carries, uint threadgroup_index,
                              ThreadId thread_id,
                              threadgroup Aggregate* shared) {
    using Slots = typename S::Slots;
    Slots chunks = Slots::of_chunks(totals, params);
    Slots groups = Slots::of_groups(carries, params);
    SpineThreads threads = SpineThreads::of(chunks.count, thread_id);
    uint set = threadgroup_index / groups.count;
    uint group = threadgroup_index - set * groups.count;
    int64_t line = int64_t(set) * threads.layout.column_threads + threads.line;
    uint begin = group * kThreads;
    SpineRun run = SpineThreads::run(params, line, chunks.count, begin,
                                     min(chunks.count - begin, uint(kThreads)));
    Aggregate total = scan_run<S>(chunks, run, 1, threads, shared);
    if (groups.count == 1 || threads.line_thread != 0) return;
    SpineRun entry = SpineThreads::run(params, line, groups.count, group, 1);
    if (entry.count != 0) S::store(groups, entry, 0, total);
  }
};

// In a spine over groups: what enters each group of a line.
template <class S>
struct GroupSpine {
  using Aggregate = typename S::Aggregate;

  static METAL_FUNC void scan(constant ScanParams& params, device uchar*,
                              device uchar* carries, uint threadgroup_index,
                              ThreadId thread_id,
                              threadgroup Aggregate* shared) {
    using Slots = typename S::Slots;
    Slots groups = Slots::of_groups(carries, params);
    SpineThreads threads = SpineThreads::of(groups.count, thread_id);
    uint in_line = threads.layout.line_threads;
    int64_t line = int64_t(threadgroup_index) * threads.layout.column_threads +
                   threads.line;
    SpineRun run =
        SpineThreads::run(params, line, groups.count, 0, groups.count);
    scan_run<S>(groups, run, (groups.count + in_line - 1) / in_line, threads,
                shared);
  }
};

// What the passes hand on about chunks; after the spine, what enters one.
template <class G>
struct GradientStates {
  using F = typename G::Format;
  using M = Recurrence<F>;
  using Slots = GradientEntries<F>;

  Slots chunks;
  Slots groups;

  static METAL_FUNC GradientStates of(device uchar* totals,
                                      device uchar* carries,
                                      constant ScanParams& params) {
    return {Slots::of_chunks(totals, params),
            Slots::of_groups(carries, params)};
  }

  static METAL_FUNC FactorProduct::Aggregate product(
      GradientStates here, constant ScanParams& params, uint panel, uint chunk,
      ThreadCoord coord) {
    FactorProduct::Aggregate own = here.chunks.products[line_entry(
        params, panel, here.chunks.count, chunk, coord)];
    if (here.groups.count == 1) return own;
    return FactorProduct::combine(
        here.groups.products[line_entry(params, panel, here.groups.count,
                                        chunk / kThreads, coord)],
        own);
  }

  static METAL_FUNC typename M::Prefix sum(GradientStates here,
                                           constant ScanParams& params,
                                           uint panel, uint chunk,
                                           ThreadCoord coord) {
    typename M::Prefix h = M::initial();
    if (here.groups.count != 1) {
      h = M::apply(h,
                   here.groups.maps[line_entry(params, panel, here.groups.count,
                                               chunk / kThreads, coord)]);
    }
    return M::apply(h, here.chunks.maps[line_entry(
                           params, panel, here.chunks.count, chunk, coord)]);
  }
};

}  // namespace upsweep
