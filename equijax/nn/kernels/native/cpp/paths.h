// The inner loops, one set for every triplet (input order, filter order) -> output order, unrolled from the table of coefficients.
#pragma once

#include "terms.h"
#include "vector.h"

namespace equijax::EQUIJAX_TARGET {

// Slots of a node are worked on in tiles of this many, so that every row of scratch has a constant length.
constexpr int64_t kTile = 64;

constexpr int kMostPairs = (2 * kLargestOrder + 1) * (2 * kLargestOrder + 1);

// T (pairs, kTile) from the harmonics Y (2 F + 1, kTile) of the filter's order, for the first `used` slots and the rest of a vector.
template <int I, int F, int O>
__attribute__((flatten)) void couple(const float* y, float* t, int64_t used) {
  using P = Triplet<I, F, O>;
  for (int64_t k = 0; k < used; k += W)
    unroll<P::pairs>([&](auto n) {
      constexpr Pair pair = P::list.at[n];
      Vec sum{};
      unroll<pair.last - pair.first>([&](auto m) {
        constexpr Term term = P::term(pair.first + m);
        sum += term.c * load(y + term.f * kTile + k);
      });
      store(t + n * kTile + k, sum);
    });
}

// What a path's loop over a tile needs.
struct Slots {
  int64_t groups;    // of G edges
  const float* y;    // (2 F + 1, kTile) harmonics of the filter's order
  const float* t;    // (pairs, kTile)
  const float* phi;  // (slots, stride) filters of this path
  int64_t stride;
};

// Floats from one row of vectors of a tile, G edges each, to the next.
template <int G>
constexpr int64_t kRow = kTile / G * W;

// out (2 O + 1, W / G) = sum over edges of phi T h, with h (2 I + 1, kRow) of the senders.
template <int I, int F, int O, int G>
__attribute__((flatten)) void forward_path(const Slots s, const float* h, float* out) {
  using P = Triplet<I, F, O>;
  Vec total[2 * O + 1] = {};
  for (int64_t g = 0; g < s.groups; ++g) {
    Vec sent[2 * I + 1];
    unroll<2 * I + 1>([&](auto i) { sent[i] = load(h + i * kRow<G> + g * W); });
    Vec product[2 * O + 1] = {};
    unroll<P::pairs>([&](auto n) {
      constexpr Pair pair = P::list.at[n];
      product[pair.o] += repeat<G>(s.t + n * kTile + g * G) * sent[pair.i];
    });
    const Vec phi = interleave<G>(s.phi + g * G * s.stride, s.stride);
    unroll<2 * O + 1>([&](auto o) { total[o] += phi * product[o]; });
  }
  unroll<2 * O + 1>([&](auto o) { store(out + o * (W / G), sum_edges<G>(total[o])); });
}

// dh (2 I + 1, W) += sum over edges of phi T d, with the cotangents d (2 O + 1, W / G) of the receivers at `rows`;
// dphi (slots, stride) = h T d, with h (2 I + 1, W) of this node.
template <int I, int F, int O, int G, bool Table>
__attribute__((flatten)) void backward_path(const Slots s, const float* const* rows, int64_t offset, const float* h, float* dh, float* dphi) {
  using P = Triplet<I, F, O>;
  Vec total[2 * I + 1], own[2 * I + 1];
  unroll<2 * I + 1>([&](auto i) {
    total[i] = load(dh + i * W);
    own[i] = load(h + i * W);
  });
  for (int64_t g = 0; g < s.groups; ++g) {
    const float* row[G];
    unroll<G>([&](auto e) { row[e] = rows[g * G + e] + offset; });
    Vec back[2 * I + 1] = {};
    Vec d[2 * O + 1];
    unroll<2 * O + 1>([&](auto o) { d[o] = gather_rows<G>(row, o * (W / G)); });
    unroll<P::pairs>([&](auto n) {
      constexpr Pair pair = P::list.at[n];
      back[pair.i] += repeat<G>(s.t + n * kTile + g * G) * d[pair.o];
    });
    const Vec phi = interleave<G>(s.phi + g * G * s.stride, s.stride);
    unroll<2 * I + 1>([&](auto i) { total[i] += phi * back[i]; });
    if constexpr (Table) {
      Vec sum{};
      unroll<2 * I + 1>([&](auto i) { sum += own[i] * back[i]; });
      deinterleave<G>(sum, dphi + g * G * s.stride, s.stride);
    }
  }
  unroll<2 * I + 1>([&](auto i) { store(dh + i * W, total[i]); });
}

// dr (kRow) += phi' h T d and dy (2 F + 1, kRow) += phi C h d, both still to be summed over the channels of the lanes,
// with h (2 I + 1, kRow) of the senders and d (2 O + 1, W) of this node.
template <int I, int F, int O, int G>
__attribute__((flatten)) void geometry_path(const Slots s, const float* slope, const float* h, const float* d, float* dr, float* dy) {
  using P = Triplet<I, F, O>;
  Vec coupled[2 * I + 1][2 * F + 1] = {};  // sum_o C[i, f, o] d[o]: the same for all edges
  unroll<P::count>([&](auto k) {
    constexpr Term term = P::term(k);
    coupled[term.i][term.f] += term.c * load(d + term.o * W);
  });
  constexpr auto present = [] {
    struct {
      bool at[2 * I + 1][2 * F + 1];
    } out{};
    for (int k = 0; k < P::count; ++k) out.at[P::term(k).i][P::term(k).f] = true;
    return out;
  }();
  for (int64_t g = 0; g < s.groups; ++g) {
    Vec along[2 * F + 1] = {};
    unroll<2 * I + 1>([&](auto i) {
      const Vec sent = load(h + i * kRow<G> + g * W);
      unroll<2 * F + 1>([&](auto f) {
        if constexpr (present.at[i][f]) along[f] += coupled[i][f] * sent;
      });
    });
    const Vec phi = interleave<G>(s.phi + g * G * s.stride, s.stride);
    Vec whole{};
    unroll<2 * F + 1>([&](auto f) {
      whole += repeat<G>(s.y + f * kTile + g * G) * along[f];
      float* at = dy + f * kRow<G> + g * W;
      store(at, load(at) + phi * along[f]);
    });
    store(dr + g * W, load(dr + g * W) + interleave<G>(slope + g * G * s.stride, s.stride) * whole);
  }
}

}  // namespace equijax::EQUIJAX_TARGET
