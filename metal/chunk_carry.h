// What chunks amount to, for the carry of a line: kernels store that instead of
// results if the parameters say so.
#pragma once

namespace upsweep {

METAL_FUNC CarryNumber element_carry(uint low, uint high) {
  return {0, 0, 0, 0, 0, 0, {low, high}};
}
METAL_FUNC CarryNumber element_carry(uint x) { return element_carry(x, 0); }
METAL_FUNC CarryNumber element_carry(ushort x) {
  return element_carry(uint(x), 0);
}
METAL_FUNC CarryNumber element_carry(uchar x) {
  return element_carry(uint(x), 0);
}
METAL_FUNC CarryNumber element_carry(uint2 x) {
  return element_carry(x.x, x.y);
}
METAL_FUNC CarryNumber element_carry(ulong x) {
  return element_carry(uint(x), uint(x >> 32));
}

template <class M, bool has_numbers>
struct ChunkCarryOf {
  static METAL_FUNC ChunkCarry of(typename M::Prefix prefix,
                                  typename M::Aggregate total) {
    return M::chunk_carry(prefix, total);
  }
};
// Neither order nor grouping matters to the prefix.
template <class M>
struct ChunkCarryOf<M, false> {
  static METAL_FUNC ChunkCarry of(typename M::Prefix,
                                  typename M::Aggregate total) {
    CarryNumber number = element_carry(M::value(total));
    return {number, number, 0, 0, 0, 0};
  }
};

template <class M>
struct CarryOutput {
  // For one thread of each line.
  static METAL_FUNC void store(Task<M> task, constant ScanParams& params,
                               uint chunk, typename M::Prefix prefix,
                               typename M::Aggregate total) {
    device ChunkCarry* out = (device ChunkCarry*)task.out;
    out[int64_t(chunk) * params.lines + line_number(task, params)] =
        ChunkCarryOf<M, M::kHasCarryNumbers>::of(prefix, total);
  }
};
// Carries end at no reset.
template <class M>
struct CarryOutput<WithResets<M>> {
  static METAL_FUNC void store(Task<WithResets<M>>, constant ScanParams&, uint,
                               typename M::Prefix,
                               typename WithResets<M>::Aggregate) {}
};

}  // namespace upsweep
