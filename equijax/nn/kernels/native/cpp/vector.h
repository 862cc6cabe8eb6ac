// Vectors of EQUIJAX_LANES floats, and the layout in which one vector holds W / G channels of G edges at once.
//
// Lane (c, g) = c G + g belongs to channel c of edge g: a number of the edge alone is then a broadcast of G neighbouring floats, one load.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace equijax::EQUIJAX_TARGET {

constexpr int W = EQUIJAX_LANES;

template <int N>
struct VectorOf {
  typedef float type __attribute__((vector_size(4 * N), aligned(4), may_alias));
};
template <>
struct VectorOf<1> {
  typedef float type;
};
template <int N>
using VecN = typename VectorOf<N>::type;
using Vec = VecN<W>;

// Not by memcpy, which GCC 12 moves in halves over the stack where a vector has eight lanes: several times slower.
template <int N = W>
inline VecN<N> load(const float* p) {
  return *reinterpret_cast<const VecN<N>*>(p);
}

// To VecN, not to V: a deduced type has lost its alignment of four bytes.
template <class V>
inline void store(float* p, V v) {
  *reinterpret_cast<VecN<sizeof(V) / sizeof(float)>*>(p) = v;
}

// (a0, b0, a1, b1, ...)
template <int N, int... K>
inline VecN<2 * N> interleave(VecN<N> a, VecN<N> b, std::integer_sequence<int, K...>) {
  return __builtin_shufflevector(a, b, (K % 2 * N + K / 2)...);
}

// Lanes (c, g) from the W / G channels at p, p + stride, ..., p + (G - 1) stride.
template <int G, int N = W / G>
inline VecN<G * N> interleave(const float* p, int64_t stride) {
  if constexpr (G == 1) {
    return load<N>(p);
  } else {
    return interleave<G / 2 * N>(interleave<G / 2, N>(p, 2 * stride), interleave<G / 2, N>(p + stride, 2 * stride), std::make_integer_sequence<int, G * N>{});
  }
}

// Lanes (c, g) from the W / G channels at `offset` in each of G rows.
template <int G>
inline Vec gather_rows(const float* const (&row)[G], int64_t offset) {
  constexpr int B = W / G;
  constexpr auto all = std::make_integer_sequence<int, W>{};
  if constexpr (G == 1) {
    return load(row[0] + offset);
  } else if constexpr (G == 2) {
    return interleave<B>(load<B>(row[0] + offset), load<B>(row[1] + offset), all);
  } else {
    static_assert(G == 4);
    constexpr auto halves = std::make_integer_sequence<int, 2 * B>{};
    const auto even = interleave<B>(load<B>(row[0] + offset), load<B>(row[2] + offset), halves);
    const auto odd = interleave<B>(load<B>(row[1] + offset), load<B>(row[3] + offset), halves);
    return interleave<2 * B>(even, odd, all);
  }
}

template <int N, int... K>
inline VecN<N / 2> every_other(VecN<N> v, int first, std::integer_sequence<int, K...>) {
  return first == 0 ? __builtin_shufflevector(v, v, (2 * K)...) : __builtin_shufflevector(v, v, (2 * K + 1)...);
}

// The inverse of `interleave`.
template <int G, int N = W>
inline void deinterleave(VecN<N> v, float* p, int64_t stride) {
  if constexpr (G == 1) {
    store(p, v);
  } else {
    constexpr auto lanes = std::make_integer_sequence<int, N / 2>{};
    deinterleave<G / 2, N / 2>(every_other<N>(v, 0, lanes), p, 2 * stride);
    deinterleave<G / 2, N / 2>(every_other<N>(v, 1, lanes), p + stride, 2 * stride);
  }
}

// W / G channels, summed over the G edges.
template <int G, int N = W>
inline VecN<N / G> sum_edges(VecN<N> v) {
  if constexpr (G == 1) {
    return v;
  } else {
    constexpr auto lanes = std::make_integer_sequence<int, N / 2>{};
    return sum_edges<G / 2, N / 2>(every_other<N>(v, 0, lanes) + every_other<N>(v, 1, lanes));
  }
}

template <int N, int... K>
inline VecN<N / 2> half(VecN<N> v, int upper, std::integer_sequence<int, K...>) {
  return upper ? __builtin_shufflevector(v, v, (K + N / 2)...) : __builtin_shufflevector(v, v, K...);
}

// G edges, summed over the channels, to p[0 .. G - 1].
template <int G, int N = W>
inline void sum_channels(VecN<N> v, float* p) {
  if constexpr (N == G) {
    store(p, v);
  } else if constexpr (N == 2) {
    p[0] = v[0] + v[1];
  } else {
    constexpr auto lanes = std::make_integer_sequence<int, N / 2>{};
    sum_channels<G, N / 2>(half<N>(v, 0, lanes) + half<N>(v, 1, lanes), p);
  }
}

template <int... K>
inline Vec repeat_four(VecN<4> v, std::integer_sequence<int, K...>) {
  return __builtin_shufflevector(v, v, (K % 4)...);
}

// The G floats at p for every channel.
template <int G>
inline Vec repeat(const float* p) {
  static_assert(G == 1 || G == 2 || G == 4);
  if constexpr (G == 1) {
    return *p - Vec{};  // x - 0 is x for every x: a plain broadcast
  } else if constexpr (G == 2) {
    typedef int64_t Pairs __attribute__((vector_size(4 * W), aligned(4)));
    int64_t pair;
    std::memcpy(&pair, p, sizeof(pair));
    return (Vec)(pair + Pairs{});
  } else {
    return repeat_four(load<4>(p), std::make_integer_sequence<int, W>{});
  }
}

}  // namespace equijax::EQUIJAX_TARGET
