// Names of dtypes, promotion, and the conversions of the 16-bit floats.
#include "upsweep/dtype.h"

#include <algorithm>

#include "half.h"

namespace upsweep {

const char* Dtype::name() const {
  constexpr const char* names[] = {"bool_",   "uint8",    "uint16",   "uint32",
                                   "uint64",  "int8",     "int16",    "int32",
                                   "int64",   "float16",  "bfloat16", "float32",
                                   "float64", "complex64"};
  return names[static_cast<size_t>(val)];
}

Dtype promote_types(Dtype a, Dtype b) {
  using Kind = Dtype::Kind;
  if (a == b) return a;
  if (a.kind() > b.kind()) std::swap(a, b);  // now a has the lower kind
  if (b.kind() == Kind::complex) return complex64;
  if (b.kind() == Kind::real) {
    if (a.kind() != Kind::real) return b;
    // The smallest type that holds both float16 and bfloat16 is float32.
    if (a.size() == 2 && b.size() == 2) return float32;
    return a.size() > b.size() ? a : b;
  }
  if (a.kind() == b.kind()) return a.size() > b.size() ? a : b;
  if (a.kind() == Kind::bool_) return b;
  // Unsigned with signed: a signed type that holds both, if there is one.
  if (b.size() > a.size()) return b;
  switch (a.size()) {
    case 1:
      return int16;
    case 2:
      return int32;
    case 4:
      return int64;
    default:
      return float32;
  }
}

float16_t::float16_t(double value) : bits(narrow_bits<5, 10>(value)) {}
float16_t::operator float() const { return static_cast<float>(widen(*this)); }
bfloat16_t::bfloat16_t(double value) : bits(narrow_bits<8, 7>(value)) {}
bfloat16_t::operator float() const { return static_cast<float>(widen(*this)); }

}  // namespace upsweep
