// Copies of any strides to neighbouring elements, with a conversion or without.
//
//   copy_bits     a copy of elements of any dtype but bool_
//   copy_numbers  the same with a conversion from one dtype to another; bool_
//                 to bool_ is one, too, which makes true bytes 1
//
// Grid: count / (kThreads · kCopyItems), rounded up, threadgroups of kThreads
// threads. Arguments: as those of scans (scan.metal), but buffer(2) is
// CopyParams, and there are no others after it.
//
// Neighbouring threads write neighbouring elements. A thread loads all its
// elements before it converts the first.
#pragma once

namespace upsweep {

// The elements of a thread.
struct CopySources {
  int64_t at[kCopyItems];
};
struct CopyElements {
  ulong bits[kCopyItems];
};

// Where the element of the result with this index comes from.
METAL_FUNC int64_t find_source(constant CopyParams& params, uint index) {
  int64_t at = params.in_start;
  uint last = params.axes - 1;
  for (uint i = 0; i < last; ++i) {
    constant CopyAxis& axis = params.axis[i];
    uint rest = uint(ulong(index) * axis.multiplier >> 32) >> axis.shift;
    at += int64_t(index - rest * axis.extent) * axis.step;
    index = rest;
  }
  return at + int64_t(index) * params.axis[last].step;
}

template <class V>
METAL_FUNC CopyElements load_all(device const uchar* in, CopySources sources) {
  CopyElements elements;
  UPSWEEP_UNROLL
  for (uint i = 0; i < kCopyItems; ++i) {
    elements.bits[i] = V(((device const V*)in)[sources.at[i]]);
  }
  return elements;
}

METAL_FUNC CopyElements load_elements(device const uchar* in,
                                      CopySources sources, uint size) {
  switch (size) {
    case 1:
      return load_all<uchar>(in, sources);
    case 2:
      return load_all<ushort>(in, sources);
    case 4:
      return load_all<uint>(in, sources);
    default:
      return load_all<ulong>(in, sources);
  }
}

// Stores those whose index is below the count.
template <class V>
METAL_FUNC void store_all(device uchar* out, CopyElements elements,
                          constant CopyParams& params, uint first) {
  UPSWEEP_UNROLL
  for (uint i = 0; i < kCopyItems; ++i) {
    uint index = first + i * kThreads;
    if (index < params.count) {
      ((device V*)out)[params.out_start + int64_t(index)] = V(elements.bits[i]);
    }
  }
}

METAL_FUNC void store_elements(device uchar* out, CopyElements elements,
                               constant CopyParams& params, uint first) {
  switch (params.out_size) {
    case 1:
      return store_all<uchar>(out, elements, params, first);
    case 2:
      return store_all<ushort>(out, elements, params, first);
    case 4:
      return store_all<uint>(out, elements, params, first);
    default:
      return store_all<ulong>(out, elements, params, first);
  }
}

// `first` is the index of the thread's first element; the others follow at a
// distance of kThreads.
template <class C>
METAL_FUNC void copy_thread(device const uchar* in, device uchar* out,
                            constant CopyParams& params, uint first) {
  CopySources sources;
  UPSWEEP_UNROLL
  for (uint i = 0; i < kCopyItems; ++i) {
    uint index = min(first + i * kThreads, params.count - 1);
    sources.at[i] = find_source(params, index);
  }
  CopyElements elements = load_elements(in, sources, params.in_size);
  UPSWEEP_UNROLL
  for (uint i = 0; i < kCopyItems; ++i) {
    elements.bits[i] = C::convert(elements.bits[i], params);
  }
  store_elements(out, elements, params, first);
}

}  // namespace upsweep
