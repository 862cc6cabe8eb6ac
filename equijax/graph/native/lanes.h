// Vectors of EQUIJAX_LANES particles, and rows of four numbers a particle turned into them.
#pragma once

#include <cstdint>
#include <utility>

#include "entries.h"

// The name of the instruction set.
#define EQUIJAX_TEXT_(x) #x
#define EQUIJAX_TEXT(x) EQUIJAX_TEXT_(x)

namespace equijax::EQUIJAX_TARGET {

constexpr int W = EQUIJAX_LANES;

template <int N>
struct IntsOf {
  typedef int32_t type __attribute__((vector_size(4 * N), aligned(4), may_alias));
};
template <int N>
using IntsN = typename IntsOf<N>::type;
using Ints = IntsN<W>;
typedef float Floats __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int64_t Pairs __attribute__((vector_size(4 * W)));
typedef uint32_t Wrapping __attribute__((vector_size(4 * W)));  // differences of fractions of the box overflow, which signed numbers may not

template <int N = W>
inline IntsN<N> load(const int32_t* p) {
  return *reinterpret_cast<const IntsN<N>*>(p);
}
inline Floats load(const float* p) { return *reinterpret_cast<const Floats*>(p); }
inline void store(int32_t* p, Ints v) { *reinterpret_cast<Ints*>(p) = v; }

// Nearest images of here - there along an axis, from 32-bit fractions of the box: the difference wraps by itself.
inline Floats apart(Ints here, Ints there, float scale) { return __builtin_convertvector((Ints)((Wrapping)here - (Wrapping)there), Floats) * scale; }

template <int N, int... K>
inline IntsN<2 * N> join(IntsN<N> a, IntsN<N> b, std::integer_sequence<int, K...>) {
  return __builtin_shufflevector(a, b, K...);
}

// Four numbers of every fourth particle, one behind the other.
template <int N>
inline IntsN<N> every_fourth(const int32_t* const* at) {
  if constexpr (N == 4) {
    return load<4>(at[0]);
  } else {
    return join<N / 2>(every_fourth<N / 2>(at), every_fourth<N / 2>(at + N / 2), std::make_integer_sequence<int, N>{});
  }
}

template <class V, int... K>
inline V zip(V a, V b, int from, std::integer_sequence<int, K...>) {
  constexpr int N = sizeof...(K), lane = 16 / sizeof(a[0]);
  if (from == 0) return __builtin_shufflevector(a, b, (K / lane * lane + K % lane / 2 + K % 2 * N)...);
  return __builtin_shufflevector(a, b, (K / lane * lane + lane / 2 + K % lane / 2 + K % 2 * N)...);
}

// Of each 16 bytes of a and b, the lower or the upper halves, number by number in turn.
template <class V>
inline V lower(V a, V b) {
  return zip(a, b, 0, std::make_integer_sequence<int, sizeof(V) / sizeof(a[0])>{});
}
template <class V>
inline V upper(V a, V b) {
  return zip(a, b, 1, std::make_integer_sequence<int, sizeof(V) / sizeof(a[0])>{});
}

// Four numbers of each of W particles, a vector for each number: blocks of four by four, transposed.
struct Quads {
  Ints of[4];
};
inline Quads transpose(const int32_t* const* at) {
  const Ints a = every_fourth<W>(at), b = every_fourth<W>(at + 1), c = every_fourth<W>(at + 2), d = every_fourth<W>(at + 3);
  const Pairs first = (Pairs)lower(a, b), first_next = (Pairs)lower(c, d), last = (Pairs)upper(a, b), last_next = (Pairs)upper(c, d);
  return {{(Ints)lower(first, first_next), (Ints)upper(first, first_next), (Ints)lower(last, last_next), (Ints)upper(last, last_next)}};
}

}  // namespace equijax::EQUIJAX_TARGET
