// The convolution and its gradients on a GPU, one launch for each chunk of the features.
//
// A warp works on one node. Its lanes are (part, channel): `width` neighbouring lanes hold the channels of an edge, and the parts take every
// (32 / width)th slot of the node. Sums stay in registers until all slots are done, then the parts are added by exchange between lanes. As on
// CPUs the gradient of the features gathers over a node's own slots with Y_l(-r) = (-1)^l Y_l(r), and that of the table over edges sorted by
// their knot: no atomics, and the same sums in the same order in every run.
#pragma once

#include <cstdint>

#include "device.h"
#include "terms.h"

namespace equijax::cuda {

constexpr int kOrders = kLargestOrder + 1;
constexpr int kSplits = 16;  // warps that share the edges of one interval between knots

struct Edges {
  int64_t nodes, slots;
  int knots;
  float cutoff;
  const float *distances, *harmonics;
  const int32_t *senders, *degrees;
};

// Where a path's filters and messages lie; the column is negative where the network has no such path.
struct Route {
  int64_t column;
  float* messages;  // (nodes, 2 O + 1, width), from the path's first channel on
  int64_t width;
};

// A chunk of the features with all its paths.
struct Input {
  const float* features;  // (nodes, stride), from the chunk's first on
  int64_t stride;
  const float* table;     // (knots, 2, columns)
  int64_t columns;
  int channels, width;    // of a group: a power of two, at most 32
  Route routes[kOrders][kOrders];

  EQUIJAX_INLINE int groups() const { return (channels + width - 1) / width; }
};

template <int F, int O, int Offset>
struct PathOf {
  static constexpr int filter = F, output = O, offset = Offset;
};

// Components of the outputs of the paths (I, F) -> O that come before (F, O), with orders up to L.
template <int L, int I>
constexpr int outputs_before(int filter, int output) {
  int count = 0;
  for (int f = 0; f <= L; ++f)
    for (int o = 0; o <= L; ++o)
      if ((f < filter || (f == filter && o < output)) && o >= (I > f ? I - f : f - I) && o <= I + f) count += 2 * o + 1;
  return count;
}

template <int L, int I>
constexpr int kOutputs = outputs_before<L, I>(L + 1, 0);

template <int L, int I, class Body>
EQUIJAX_INLINE void for_paths(Body&& body) {
  unroll<(L + 1) * (L + 1)>([&](auto n) {
    constexpr int F = decltype(n)::value / (L + 1), O = decltype(n)::value % (L + 1);
    if constexpr (O >= (I > F ? I - F : F - I) && O <= I + F) body(PathOf<F, O, outputs_before<L, I>(F, O)>{});
  });
}

// What a lane works on.
struct Place {
  int64_t unit;       // node, or whatever else a warp has to itself
  int channel, part, parts;
  bool real;          // false in lanes beyond the last channel, which read the last channel's numbers

  __device__ Place(const Input& in) {
    const int wanted = static_cast<int>(warp() % in.groups()) * in.width + lane() % in.width;
    unit = warp() / in.groups();
    real = wanted < in.channels;
    channel = real ? wanted : in.channels - 1;
    part = lane() / in.width;
    parts = kWarp / in.width;
  }
};

// Sum over the parts, in every lane; over the channels of an edge, in every lane.
__device__ __forceinline__ float sum_parts(float value, int width) {
  for (int distance = width; distance < kWarp; distance *= 2) value += exchange(value, distance);
  return value;
}
__device__ __forceinline__ float sum_channels(float value, int width) {
  for (int distance = 1; distance < width; distance *= 2) value += exchange(value, distance);
  return value;
}

// One edge: its harmonics, and its place in the table, beside the knot below it or the one that is wanted.
template <int L>
struct Edge {
  static constexpr int M = (L + 1) * (L + 1);
  float y[M];
  int64_t knot;
  float w[4];

  __device__ __forceinline__ Edge(const Edges& e, int64_t node, int64_t slot, bool mirrored, int64_t wanted = -1) {
    unroll<L + 1>([&](auto l) {
      const float sign = mirrored && l % 2 ? -1.f : 1.f;
      unroll<2 * decltype(l)::value + 1>([&](auto m) { y[l * l + m] = sign * e.harmonics[(node * M + l * l + m) * e.slots + slot]; });
    });
    const float spacing = e.cutoff / static_cast<float>(e.knots - 1);
    const float r = e.distances[node * e.slots + slot];
    // A distance that is not a number finds the first knot, and comes out as it came in.
    const float x = (r > e.cutoff ? e.cutoff : r < 0 ? 0 : r) * (1 / spacing);
    const int below = x > 0 ? static_cast<int>(x) : 0;
    knot = wanted >= 0 ? wanted : below < e.knots - 2 ? below : e.knots - 2;
    const float u = x - static_cast<float>(knot), square = u * u;
    w[0] = 1 + square * (2 * u - 3);
    w[1] = spacing * u * (1 + u * (u - 2));
    w[2] = square * (3 - 2 * u);
    w[3] = spacing * square * (u - 1);
  }

  __device__ __forceinline__ float read(const float* table, int64_t columns, int64_t column) const {
    const float* row = table + 2 * knot * columns + column;
    return w[0] * row[0] + w[1] * row[columns] + w[2] * row[2 * columns] + w[3] * row[3 * columns];
  }
};

template <int I>
__device__ __forceinline__ void read_features(const Input& in, int64_t node, int channel, float (&h)[2 * I + 1]) {
  unroll<2 * I + 1>([&](auto m) { h[m] = in.features[node * in.stride + channel * (2 * I + 1) + m]; });
}

// T[i, o] = sum_f C[i, f, o] Y_f, handed to body(i, o, T) pair by pair.
template <int I, int F, int O, class Body>
EQUIJAX_INLINE void for_pairs(const float* y, Body&& body) {
  using P = Triplet<I, F, O>;
  unroll<P::pairs>([&](auto n) {
    constexpr Pair pair = P::list.at[decltype(n)::value];
    float t = 0;
    unroll<pair.last - pair.first>([&](auto m) {
      constexpr Term term = P::term(pair.first + decltype(m)::value);
      t += term.c * y[F * F + term.f];
    });
    body(std::integral_constant<int, pair.i>{}, std::integral_constant<int, pair.o>{}, t);
  });
}

// out_i = sum_j phi T h_j
template <int L, int I>
__global__ void forward(Edges e, Input in) {
  const Place at(in);
  if (at.unit >= e.nodes) return;
  float total[kOutputs<L, I>] = {};
  for (int64_t k = at.part; k < e.degrees[at.unit]; k += at.parts) {
    const Edge<L> edge(e, at.unit, k, false);
    float h[2 * I + 1];
    read_features<I>(in, e.senders[at.unit * e.slots + k], at.channel, h);
    for_paths<L, I>([&](auto path) {
      using P = decltype(path);
      const Route& route = in.routes[P::filter][P::output];
      if (route.column < 0) return;
      float product[2 * P::output + 1] = {};
      for_pairs<I, P::filter, P::output>(edge.y, [&](auto i, auto o, float t) { product[o] += t * h[i]; });
      const float phi = edge.read(in.table, in.columns, route.column + at.channel);
      unroll<2 * P::output + 1>([&](auto o) { total[P::offset + o] += phi * product[o]; });
    });
  }
  for_paths<L, I>([&](auto path) {
    using P = decltype(path);
    const Route& route = in.routes[P::filter][P::output];
    if (route.column < 0) return;
    float* out = route.messages + at.unit * (2 * P::output + 1) * route.width + at.channel;
    unroll<2 * P::output + 1>([&](auto o) {
      const float sum = sum_parts(total[P::offset + o], in.width);
      if (at.part == 0 && at.real) out[o * route.width] = sum;
    });
  });
}

// Cotangents d (2 O + 1) of a path's messages at a node.
template <class P>
__device__ __forceinline__ void read_messages(const Route& route, int64_t node, int channel, float* d) {
  const float* from = route.messages + node * (2 * P::output + 1) * route.width + channel;
  unroll<2 * P::output + 1>([&](auto o) { d[o] = from[o * route.width]; });
}

// dh_i = sum over i's own slots of phi T d_j, with the harmonics as the receiver j at the other end sees them
template <int L, int I>
__global__ void backward(Edges e, Input in, float* gradient) {
  const Place at(in);
  if (at.unit >= e.nodes) return;
  float total[2 * I + 1] = {};
  for (int64_t k = at.part; k < e.degrees[at.unit]; k += at.parts) {
    const Edge<L> edge(e, at.unit, k, true);
    const int64_t receiver = e.senders[at.unit * e.slots + k];
    for_paths<L, I>([&](auto path) {
      using P = decltype(path);
      const Route& route = in.routes[P::filter][P::output];
      if (route.column < 0) return;
      float d[2 * P::output + 1], back[2 * I + 1] = {};
      read_messages<P>(route, receiver, at.channel, d);
      for_pairs<I, P::filter, P::output>(edge.y, [&](auto i, auto o, float t) { back[i] += t * d[o]; });
      const float phi = edge.read(in.table, in.columns, route.column + at.channel);
      unroll<2 * I + 1>([&](auto i) { total[i] += phi * back[i]; });
    });
  }
  unroll<2 * I + 1>([&](auto i) {
    const float sum = sum_parts(total[i], in.width);
    if (at.part == 0 && at.real) gradient[at.unit * in.stride + at.channel * (2 * I + 1) + i] = sum;
  });
}

// parts (kSplits, knots - 1, 4, columns): the cotangents h T d of the filters of the edges between two knots, times their four weights.
// `order` lists the edges (node, slot) by the knot below them, those of knot n at first[n] .. first[n + 1] - 1.
template <int L, int I>
__global__ void table(Edges e, Input in, const int32_t* order, const int32_t* first, float* parts) {
  const Place at(in);
  const int64_t interval = at.unit / kSplits, split = at.unit % kSplits;
  if (interval >= e.knots - 1) return;
  float total[4 * (L + 1) * (L + 1)] = {};
  const int64_t begin = first[interval], count = first[interval + 1] - begin, length = (count + kSplits - 1) / kSplits;
  const int64_t last = begin + (count < (split + 1) * length ? count : (split + 1) * length);
  for (int64_t k = begin + split * length + at.part; k < last; k += at.parts) {
    const int64_t node = order[k] / e.slots, slot = order[k] % e.slots;
    // The knot is the one that the edges were sorted by: rounding may put a distance that lies on a knot to either side.
    const Edge<L> edge(e, node, slot, false, interval);
    float h[2 * I + 1];
    read_features<I>(in, e.senders[order[k]], at.channel, h);
    for_paths<L, I>([&](auto path) {
      using P = decltype(path);
      const Route& route = in.routes[P::filter][P::output];
      if (route.column < 0) return;
      float d[2 * P::output + 1], sum = 0;
      read_messages<P>(route, node, at.channel, d);
      for_pairs<I, P::filter, P::output>(edge.y, [&](auto i, auto o, float t) { sum += t * h[i] * d[o]; });
      unroll<4>([&](auto n) { total[4 * (P::filter * (L + 1) + P::output) + n] += edge.w[n] * sum; });
    });
  }
  for_paths<L, I>([&](auto path) {
    using P = decltype(path);
    const Route& route = in.routes[P::filter][P::output];
    if (route.column < 0) return;
    float* out = parts + ((split * (e.knots - 1) + interval) * 4) * in.columns + route.column + at.channel;
    unroll<4>([&](auto n) {
      const float sum = sum_parts(total[4 * (P::filter * (L + 1) + P::output) + n], in.width);
      if (at.part == 0 && at.real) out[n * in.columns] = sum;
    });
  });
}

// distances (nodes, slots) += phi' h T d and harmonics (nodes, (L + 1)^2, slots) += phi C h d, summed over the channels of the chunk.
// A warp has the node to itself, so it goes through the groups of channels one after the other.
template <int L, int I>
__global__ void geometry(Edges e, Input in, const float* slopes, float* distances, float* harmonics) {
  const int64_t node = warp();
  if (node >= e.nodes) return;
  const int part = lane() / in.width, parts = kWarp / in.width;
  for (int group = 0; group < in.groups(); ++group) {
    const int wanted = group * in.width + lane() % in.width, channel = wanted < in.channels ? wanted : in.channels - 1;
    const float real = wanted < in.channels ? 1.f : 0.f;
    float d[kOutputs<L, I>];
    for_paths<L, I>([&](auto path) {
      using P = decltype(path);
      const Route& route = in.routes[P::filter][P::output];
      if (route.column >= 0) read_messages<P>(route, node, channel, d + P::offset);
    });
    for (int64_t start = 0; start < e.degrees[node]; start += parts) {
      // Every lane takes part in the exchanges below, also one without an edge of its own.
      const bool there = start + part < e.degrees[node];
      const int64_t slot = there ? start + part : 0;
      const Edge<L> edge(e, node, slot, false);
      float h[2 * I + 1], dr = 0, dy[(L + 1) * (L + 1)] = {};
      read_features<I>(in, e.senders[node * e.slots + slot], channel, h);
      for_paths<L, I>([&](auto path) {
        using P = decltype(path);
        using T = Triplet<I, P::filter, P::output>;
        const Route& route = in.routes[P::filter][P::output];
        if (route.column < 0) return;
        float along[2 * P::filter + 1] = {}, whole = 0;
        unroll<T::count>([&](auto n) {
          constexpr Term term = T::term(decltype(n)::value);
          along[term.f] += term.c * h[term.i] * d[P::offset + term.o];
        });
        const float phi = edge.read(in.table, in.columns, route.column + channel);
        unroll<2 * P::filter + 1>([&](auto f) {
          whole += edge.y[P::filter * P::filter + f] * along[f];
          dy[P::filter * P::filter + f] += phi * along[f];
        });
        dr += edge.read(slopes, in.columns, route.column + channel) * whole;
      });
      dr = sum_channels(real * dr, in.width);
      if (there && lane() % in.width == 0) distances[node * e.slots + slot] += dr;
      unroll<(L + 1) * (L + 1)>([&](auto m) {
        const float sum = sum_channels(real * dy[m], in.width);
        if (there && lane() % in.width == 0) harmonics[(node * (L + 1) * (L + 1) + m) * e.slots + slot] += sum;
      });
    }
  }
}

}  // namespace equijax::cuda
