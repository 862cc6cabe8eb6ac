// The coefficients of a triplet as the inner loops unroll them, on CPUs and GPUs.
#pragma once

#include <utility>

#include "coupling.h"

#ifdef __CUDACC__
#define EQUIJAX_INLINE __host__ __device__ __forceinline__
#else
#define EQUIJAX_INLINE inline __attribute__((always_inline))
#endif

namespace equijax::EQUIJAX_TARGET {

template <int... K, class Body>
constexpr EQUIJAX_INLINE void unroll_sequence(std::integer_sequence<int, K...>, Body&& body) {
  (body(std::integral_constant<int, K>{}), ...);
}

// Calls body(integral_constant 0 .. N - 1).
template <int N, class Body>
constexpr EQUIJAX_INLINE void unroll(Body&& body) {
  unroll_sequence(std::make_integer_sequence<int, N>{}, body);
}

// Adjacent terms with the same (i, o): T[i, o] = sum_f C[i, f, o] Y_f, which all channels of an edge share.
struct Pair {
  int i, o, first, last;
};

template <int I, int F, int O>
struct Triplet {
  static constexpr int count = sizeof(Coupling<I, F, O>::terms) / sizeof(Term);
  static constexpr Term term(int k) { return Coupling<I, F, O>::terms[k]; }
  static constexpr bool starts(int k) { return k == 0 || term(k).i != term(k - 1).i || term(k).o != term(k - 1).o; }
  static constexpr int pairs = [] {
    int n = 0;
    for (int k = 0; k < count; ++k) n += starts(k);
    return n;
  }();
  struct List {
    Pair at[pairs];
  };
  static constexpr List list = [] {
    List out{};
    int n = -1;
    for (int k = 0; k < count; ++k) {
      if (starts(k)) out.at[++n] = {term(k).i, term(k).o, k, k};
      out.at[n].last = k + 1;
    }
    return out;
  }();
};

}  // namespace equijax::EQUIJAX_TARGET
