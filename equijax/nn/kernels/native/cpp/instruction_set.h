// The best of the instruction sets that a library was built for which this processor has.
#pragma once

namespace equijax {

template <class Kernels>
const Kernels& best(const Kernels& baseline, [[maybe_unused]] const Kernels* avx2, [[maybe_unused]] const Kernels* avx512) {
#if defined(EQUIJAX_X86)
  __builtin_cpu_init();
  // What the compiler may use at these levels; processors that have AVX2, BMI and BMI2 have the rest of them.
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return *avx512;
  if (v3) return *avx2;
#endif
  return baseline;
}

}  // namespace equijax

// Of a name that each instruction set has in its namespace.
#if defined(EQUIJAX_X86)
#define EQUIJAX_BEST(name) ::equijax::best(baseline::name, &avx2::name, &avx512::name)
#else
#define EQUIJAX_BEST(name) ::equijax::best(baseline::name, decltype(&baseline::name){}, decltype(&baseline::name){})
#endif
