// Kernels with one seeded bug each, which the engine must find, and some
// without.
#include <metal_stdlib>

using namespace metal;

// The first ones are correct.
[[kernel]] void reverse_each_group(device const uint* in [[buffer(0)]],
                                   device uint* out [[buffer(1)]],
                                   uint group [[threadgroup_position_in_grid]],
                                   uint lane [[thread_index_in_simdgroup]],
                                   uint simdgroup
                                   [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  tile[t] = in[group * 64 + t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[group * 64 + t] = tile[63 - t];
}

[[kernel]] void sum_up_to_lane(device const uint* in [[buffer(0)]],
                               device uint* out [[buffer(1)]],
                               uint group [[threadgroup_position_in_grid]],
                               uint lane [[thread_index_in_simdgroup]],
                               uint simdgroup
                               [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  uint sum = in[group * 64 + t];
  for (uint delta = 1; delta < 32; delta *= 2) {
    uint left = simd_shuffle_up(sum, ushort(delta));
    if (lane >= delta) sum += left;
  }
  out[group * 64 + t] = sum;
}

[[kernel]] void count_threads(device const uint* in [[buffer(0)]],
                              device uint* out [[buffer(1)]],
                              uint group [[threadgroup_position_in_grid]],
                              uint lane [[thread_index_in_simdgroup]],
                              uint simdgroup
                              [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup atomic_uint count;
  if (t == 0) atomic_store_explicit(&count, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_max_explicit(&count, t + in[0], memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[group * 64 + t] = atomic_load_explicit(&count, memory_order_relaxed);
}

[[kernel]] void exchange_in_device_memory(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[t] = in[t];
  threadgroup_barrier(mem_flags::mem_device);
  uint other = out[63 - t];
  threadgroup_barrier(mem_flags::mem_device);
  out[t] = other;
}

[[kernel]] void wait_many_times(device const uint* in [[buffer(0)]],
                                device uint* out [[buffer(1)]],
                                uint group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simdgroup
                                [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint tile[64];
  uint t = simdgroup * 32 + lane;
  tile[t] = t;
  for (uint i = in[0]; i > 0; --i) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[t] = tile[63 - t];
}

// Subnormal numbers count as zeros, except as integers.
[[kernel]] void add_as_floats(device const uint* in [[buffer(0)]],
                              device uint* out [[buffer(1)]],
                              uint group [[threadgroup_position_in_grid]],
                              uint lane [[thread_index_in_simdgroup]],
                              uint simdgroup
                              [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  uint bits = in[group * 64 + t];
  float x = as_type<float>(bits);
  out[group * 64 + t] = as_type<uint>(x + x);
}

// Threads and groups that write neighbouring bytes.
[[kernel]] void bytes_side_by_side(device const uint* in [[buffer(0)]],
                                   device uint* out [[buffer(1)]],
                                   uint group [[threadgroup_position_in_grid]],
                                   uint lane [[thread_index_in_simdgroup]],
                                   uint simdgroup
                                   [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  device uchar* bytes = (device uchar*)out;
  if (t < 63) bytes[group * 63 + t] = uchar(in[group * 63 + t]);
}

[[kernel]] void read_three_times(device const uint* in [[buffer(0)]],
                                 device uint* out [[buffer(1)]],
                                 uint group [[threadgroup_position_in_grid]],
                                 uint lane [[thread_index_in_simdgroup]],
                                 uint simdgroup
                                 [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  uint sum = 0;
  for (uint i = 0; i < 3; ++i) sum += in[group * 64 + t];
  out[group * 64 + t] = sum;
}

// The last of 8 groups reads what the others wrote; an atomic that starts at
// 0xdead tells it that it is the last.
[[kernel]] void last_group_adds(device const uint* in [[buffer(0)]],
                                device uint* out [[buffer(1)]],
                                uint group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simdgroup
                                [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  if (t != 0) return;
  device atomic_uint* come = (device atomic_uint*)(out + 9);
  out[group] = in[group];
  if (atomic_fetch_add_explicit(come, 1, memory_order_relaxed) == 0xdead + 7) {
    uint sum = 0;
    for (uint i = 0; i < 8; ++i) sum += out[i];
    out[8] = sum;
  }
}

// No barrier between a write and a read.
[[kernel]] void race_between_threads(device const uint* in [[buffer(0)]],
                                     device uint* out [[buffer(1)]],
                                     uint group
                                     [[threadgroup_position_in_grid]],
                                     uint lane [[thread_index_in_simdgroup]],
                                     uint simdgroup
                                     [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  tile[t] = in[t];
  out[t] = tile[63 - t];
}

// All threads write one element.
[[kernel]] void race_to_write(device const uint* in [[buffer(0)]],
                              device uint* out [[buffer(1)]],
                              uint group [[threadgroup_position_in_grid]],
                              uint lane [[thread_index_in_simdgroup]],
                              uint simdgroup
                              [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint last[1];
  last[0] = t;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = last[0] + in[t];
}

// No barrier between a read and the next write.
[[kernel]] void race_after_read(device const uint* in [[buffer(0)]],
                                device uint* out [[buffer(1)]],
                                uint group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simdgroup
                                [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  tile[t] = in[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint other = tile[63 - t];
  tile[t] = other;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = tile[t];
}

// A barrier that half of the threads do not reach.
[[kernel]] void barrier_for_some(device const uint* in [[buffer(0)]],
                                 device uint* out [[buffer(1)]],
                                 uint group [[threadgroup_position_in_grid]],
                                 uint lane [[thread_index_in_simdgroup]],
                                 uint simdgroup
                                 [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  if (lane < 16) threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = in[t];
}

// Two barriers where there should be one.
[[kernel]] void two_barriers(device const uint* in [[buffer(0)]],
                             device uint* out [[buffer(1)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup
                             [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  if (t < 32) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  } else {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[t] = in[t];
}

// A simdgroup function that half of the threads do not reach.
[[kernel]] void shuffle_for_some(device const uint* in [[buffer(0)]],
                                 device uint* out [[buffer(1)]],
                                 uint group [[threadgroup_position_in_grid]],
                                 uint lane [[thread_index_in_simdgroup]],
                                 uint simdgroup
                                 [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  uint x = in[t];
  if (lane < 16) x = simd_shuffle_up(x, 1);
  out[t] = x;
}

// Threads of a simdgroup that disagree about the distance.
[[kernel]] void two_shuffles(device const uint* in [[buffer(0)]],
                             device uint* out [[buffer(1)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup
                             [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  uint x = in[t];
  out[t] = simd_shuffle_up(x, ushort(1 + lane % 2));
}

[[kernel]] void read_beyond(device const uint* in [[buffer(0)]],
                            device uint* out [[buffer(1)]],
                            uint group [[threadgroup_position_in_grid]],
                            uint lane [[thread_index_in_simdgroup]],
                            uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[t] = in[group * 64 + t + 1];
}

[[kernel]] void write_before(device const uint* in [[buffer(0)]],
                             device uint* out [[buffer(1)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup
                             [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  int at = int(t) - 1;
  out[at] = in[t];
}

// A vector at an unaligned address.
[[kernel]] void vector_askew(device const uint* in [[buffer(0)]],
                             device uint* out [[buffer(1)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup
                             [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  device const uint4* vector = (device const uint4*)(in + 1);
  uint4 four = vector[0];
  out[t] = four.x;
}

// Threadgroup memory has no value before it is written.
[[kernel]] void unwritten(device const uint* in [[buffer(0)]],
                          device uint* out [[buffer(1)]],
                          uint group [[threadgroup_position_in_grid]],
                          uint lane [[thread_index_in_simdgroup]],
                          uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = tile[t] + in[t];
}

[[kernel]] void beyond_the_tile(device const uint* in [[buffer(0)]],
                                device uint* out [[buffer(1)]],
                                uint group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simdgroup
                                [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  tile[t + 1] = in[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = tile[t + 1];
}

[[kernel]] void too_much_memory(device const uint* in [[buffer(0)]],
                                device uint* out [[buffer(1)]],
                                uint group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simdgroup
                                [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[8193];
  tile[t] = in[t];
  out[t] = tile[t];
}

// A barrier that orders the wrong memory.
[[kernel]] void barrier_for_device_memory(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  threadgroup uint tile[64];
  tile[t] = in[t];
  threadgroup_barrier(mem_flags::mem_device);
  out[t] = tile[63 - t];
}

// The reverse.
[[kernel]] void barrier_for_threadgroup_memory(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[t] = in[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint other = out[63 - t];
  threadgroup_barrier(mem_flags::mem_device);
  out[t] = other;
}

// No barrier between a read of device memory and another thread's write.
[[kernel]] void write_after_foreign_read(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[t] = t < 32 ? out[63 - t] : in[t];
}

[[kernel]] void two_threads_write_one_word(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[group] = in[t];
}

// Groups that meet in device memory, whatever barriers they have.
[[kernel]] void two_groups_write_one_word(
    device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[t] = in[t] + group;
}

[[kernel]] void reads_another_group(device const uint* in [[buffer(0)]],
                                    device uint* out [[buffer(1)]],
                                    uint group [[threadgroup_position_in_grid]],
                                    uint lane [[thread_index_in_simdgroup]],
                                    uint simdgroup
                                    [[simdgroup_index_in_threadgroup]]) {
  uint t = simdgroup * 32 + lane;
  out[group * 64 + t] = in[t];
  threadgroup_barrier(mem_flags::mem_device);
  if (group > 0) out[group * 64 + t] = out[group * 64 - 1 - t];
}
