// The table of instruction sets, best first, and the choice among them. CMake
// defines UPSWEEP_HAS_ and the name of each one that has kernels.
#include "isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace upsweep {

#define UPSWEEP_ISA(isa)                                        \
  const Kernel* find_prod_##isa(Op, Dtype);                     \
  const Kernel* find_sum_##isa(Op, Dtype);                      \
  const Kernel* find_max_##isa(Op, Dtype);                      \
  const Kernel* find_logaddexp_##isa(Op, Dtype);                \
  const RecurrenceKernel& find_recurrence_##isa(Dtype);         \
  const FrexpKernel& find_frexp_##isa(Dtype);                   \
  const GradientKernel& find_gradient_##isa(Dtype, Derivative); \
  const AdjointKernel& find_adjoint_##isa(Dtype);
UPSWEEP_ISA(baseline)
UPSWEEP_ISA(avx2)
UPSWEEP_ISA(avx512)
#undef UPSWEEP_ISA

namespace {

#if defined(__aarch64__)
constexpr const char* kBaseline = "neon";
#else
constexpr const char* kBaseline = "baseline";
#endif

[[maybe_unused]] bool always() { return true; }

#if defined(__x86_64__)
// Whatever has AVX2 and FMA has F16C, which not every compiler can ask for.
[[maybe_unused]] bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

[[maybe_unused]] bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

#define UPSWEEP_KERNELS(isa)                                             \
  find_prod_##isa, find_sum_##isa, find_max_##isa, find_logaddexp_##isa, \
      find_recurrence_##isa, find_frexp_##isa, find_gradient_##isa,      \
      find_adjoint_##isa
constexpr Isa kIsas[] = {
#if defined(__x86_64__) && defined(UPSWEEP_HAS_avx512)
    {"avx512", has_avx512, UPSWEEP_KERNELS(avx512)},
#endif
#if defined(__x86_64__) && defined(UPSWEEP_HAS_avx2)
    {"avx2", has_avx2, UPSWEEP_KERNELS(avx2)},
#endif
#if defined(UPSWEEP_HAS_baseline)
    {kBaseline, always, UPSWEEP_KERNELS(baseline)},
#endif
};
#undef UPSWEEP_KERNELS

const Isa& choose() {
  const char* forced = std::getenv("UPSWEEP_CPU_ISA");
  std::string names;
  for (const Isa& isa : kIsas) {
    if (forced && *forced) {
      if (isa.name != std::string(forced)) {
        names += std::string(names.empty() ? "" : ", ") + isa.name;
        continue;
      }
      if (!isa.supported()) {
        throw std::runtime_error("[UPSWEEP_CPU_ISA] This processor lacks " +
                                 std::string(forced) + ".");
      }
      return isa;
    }
    if (isa.supported()) return isa;
  }
  if (names.empty()) {
    throw std::runtime_error(
        "[UPSWEEP_CPU_ISA] This build has no kernels for this processor; build "
        "with the baseline in UPSWEEP_CPU_ISAS.");
  }
  throw std::invalid_argument("[UPSWEEP_CPU_ISA] There is no " +
                              std::string(forced) + " here; choose one of " +
                              names + ".");
}

}  // namespace

const Kernel& Isa::kernel(Op op, Dtype dtype) const {
  // No default: the compiler then warns of an operator without a kernel.
  auto find = [&]() -> const Kernel* {
    if (dtype == bool_) return find_max(op, dtype);
    switch (op) {
      case Op::prod:
        return find_prod(op, dtype);
      case Op::sum:
        return find_sum(op, dtype);
      case Op::logaddexp:
        return dtype == complex64 ? &complex_logaddexp()
                                  : find_logaddexp(op, dtype);
      case Op::max:
      case Op::min:
        return find_max(op, dtype);
    }
    return nullptr;
  };
  return *find();
}

std::span<const Isa> isas() { return kIsas; }

const Isa& isa() {
  static const Isa& chosen = choose();
  return chosen;
}

}  // namespace upsweep
