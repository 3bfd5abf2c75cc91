// The table of instruction sets, best first, and the choice among them.
#include "isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace upsweep {

namespace {

bool always() { return true; }

#if defined(__x86_64__)
// Whatever has AVX2 and FMA has F16C, which not every compiler can ask for.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

constexpr Isa kIsas[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, avx512_kernel},
    {"avx2", has_avx2, avx2_kernel},
    {"baseline", always, baseline_kernel},
#elif defined(__aarch64__)
    {"neon", always, baseline_kernel},
#else
    {"baseline", always, baseline_kernel},
#endif
};

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
  throw std::invalid_argument("[UPSWEEP_CPU_ISA] There is no " +
                              std::string(forced) + " here; choose one of " +
                              names + ".");
}

}  // namespace

std::span<const Isa> isas() { return kIsas; }

const Isa& isa() {
  static const Isa& chosen = choose();
  return chosen;
}

}  // namespace upsweep
