// The convolution and its gradients for one instruction set: nodes are dealt to the threads, and each node goes through its paths, edge by edge.
//
// Nothing of the size of all edges' messages is ever stored: what an edge needs again, the backward pass computes again. A node's gradient is a sum over
// its own slots of what the receivers at the other end send back, for neighbour lists are symmetric and Y_l(-r) = (-1)^l Y_l(r): no two threads
// write to the same place, and every sum has the same order on any number of threads.

#include <array>
#include <cmath>

#include "buffer.h"
#include "paths.h"
#include "plan.h"

namespace equijax::EQUIJAX_TARGET {
namespace {

constexpr int64_t kNodesPerTask = 32;
constexpr int kLevels = W == 16 ? 3 : W == 8 ? 2 : 1;

struct PathKernels {
  void (*couple)(const float*, float*, int64_t);
  void (*forward[kLevels])(Slots, const float*, float*);
  void (*backward[kLevels])(Slots, const float* const*, int64_t, const float*, float*, float*);
  void (*backward_table[kLevels])(Slots, const float* const*, int64_t, const float*, float*, float*);
  void (*geometry[kLevels])(Slots, const float*, const float*, const float*, float*, float*);
};

template <int I, int F, int O>
constexpr PathKernels path_kernels() {
  PathKernels out{};
  if constexpr (O >= (I > F ? I - F : F - I) && O <= I + F) {
    out.couple = couple<I, F, O>;
    unroll<kLevels>([&](auto level) {
      constexpr int G = 1 << level;
      out.forward[level] = forward_path<I, F, O, G>;
      out.backward[level] = backward_path<I, F, O, G, false>;
      out.backward_table[level] = backward_path<I, F, O, G, true>;
      out.geometry[level] = geometry_path<I, F, O, G>;
    });
  }
  return out;
}

constexpr int kOrders = kLargestOrder + 1, kMostRows = 2 * kLargestOrder + 1;

constexpr auto kPaths = [] {
  std::array<PathKernels, kOrders * kOrders * kOrders> out{};
  unroll<kOrders * kOrders * kOrders>([&](auto n) { out[n] = path_kernels<n / (kOrders * kOrders), n / kOrders % kOrders, n % kOrders>(); });
  return out;
}();

const PathKernels& kernels_of(const Problem& p, const Path& path) {
  return kPaths[(p.chunks[path.chunk].order * kOrders + path.filter) * kOrders + path.output];
}

// A thread's scratch for one tile of the slots of one node.
struct Workspace {
  const Problem& p;
  const Plan& plan;
  Buffer memory;
  float *y, *weights, *t, *phi, *other, *h, *d, *gradient, *line;
  int64_t knots[kTile];  // where the row of the knot below each distance starts
  const float* rows[kTile];
  int64_t node = 0, first = 0, used = 0;

  Workspace(const Problem& p, const Plan& plan) : p(p), plan(plan), memory(size(plan)) {
    float* next = memory.data();
    const auto claim = [&next](int64_t floats) {
      float* here = next;
      next += floats;
      return here;
    };
    y = claim(plan.harmonics * kTile);
    weights = claim(4 * kTile);
    t = claim(kMostPairs * kTile);
    phi = claim(plan.widest * kTile);
    other = claim(plan.widest * kTile);  // slopes of phi, or its cotangents
    h = claim(kMostRows * W * kTile);
    d = claim(kMostRows * W);
    line = claim(kMostRows * W);
    gradient = claim((1 + plan.harmonics) * W * kTile);
  }

  static int64_t size(const Plan& plan) {
    return kTile * (plan.harmonics + 4 + kMostPairs + 2 * plan.widest + W * (kMostRows + 1 + plan.harmonics)) + 2 * W * kMostRows;
  }

  // Load the slots first .. of a node: harmonics, which change sign with odd order where `mirrored`, and cubic Hermite weights.
  void load_tile(int64_t number, int64_t start, bool mirrored) {
    node = number;
    first = start;
    used = std::min<int64_t>(p.degrees[node] - first, kTile);
    const int64_t count = used;
    for (int order = 0; order <= p.l_max; ++order) {
      const float sign = mirrored && order % 2 ? -1 : 1;
      for (int m = order * order; m < (order + 1) * (order + 1); ++m) {
        const float* from = p.harmonics + (node * plan.harmonics + m) * p.slots + first;
        float* to = y + m * kTile;
        for (int64_t k = 0; k < count; ++k) to[k] = sign * from[k];
        std::memset(to + count, 0, 4 * (kTile - count));
      }
    }
    const float spacing = p.cutoff / static_cast<float>(p.knots - 1), per = 1 / spacing, cutoff = p.cutoff;
    const float* distances = p.distances + node * p.slots + first;
    const int32_t last = static_cast<int32_t>(p.knots - 2);
    const int64_t row = 2 * plan.columns;
    float *w0 = weights, *w1 = w0 + kTile, *w2 = w1 + kTile, *w3 = w2 + kTile;
    int64_t* to = knots;
    for (int64_t k = 0; k < count; ++k) {
      const float x = std::min(std::max(distances[k], 0.0f), cutoff) * per;
      // With its arguments this way round, max turns a distance that is not a number into 0: a knot that exists. The weights stay NaN.
      const int32_t knot = std::min(static_cast<int32_t>(std::min(std::max(0.0f, distances[k]), cutoff) * per), last);
      const float u = x - static_cast<float>(knot), square = u * u;
      to[k] = knot * row;
      w0[k] = 1 + square * (2 * u - 3);
      w1[k] = spacing * u * (1 + u * (u - 2));
      w2[k] = square * (3 - 2 * u);
      w3[k] = spacing * square * (u - 1);
    }
  }

  int64_t groups(const Group& b) const { return (used + (1 << b.level) - 1) >> b.level; }

  // Filters (slots, columns) of a group, from a packed table.
  void interpolate(const Group& b, const float* from, float* out) const {
    // Local copies: the compiler may not assume that a store leaves the members alone.
    const int64_t next = plan.columns, columns = b.columns, count = used;
    const float *table = from + b.column, *w = weights;
    const int64_t* starts = knots;
    for (int64_t k = 0; k < count; ++k) {
      const float *row0 = table + starts[k], *row1 = row0 + next, *row2 = row1 + next, *row3 = row2 + next;
      const float w0 = w[k], w1 = w[kTile + k], w2 = w[2 * kTile + k], w3 = w[3 * kTile + k];
      float* to = out + k * columns;
      for (int64_t c = 0; c < columns; c += W) store(to + c, w0 * load(row0 + c) + w1 * load(row1 + c) + w2 * load(row2 + c) + w3 * load(row3 + c));
    }
    std::memset(out + count * columns, 0, 4 * columns * ((groups(b) << b.level) - count));
  }

  // The transpose of `interpolate`: adds the filters' cotangents to `into`, a packed table.
  void scatter(const Group& b, const float* cotangent, float* into) const {
    const int64_t next = plan.columns, columns = b.columns, count = used;
    const float* w = weights;
    const int64_t* starts = knots;
    for (int64_t k = 0; k < count; ++k) {
      float *row0 = into + b.column + starts[k], *row1 = row0 + next, *row2 = row1 + next, *row3 = row2 + next;
      const float w0 = w[k], w1 = w[kTile + k], w2 = w[2 * kTile + k], w3 = w[3 * kTile + k];
      const float* from = cotangent + k * columns;
      for (int64_t c = 0; c < columns; c += W) {
        const Vec v = load(from + c);
        store(row0 + c, load(row0 + c) + w0 * v);
        store(row1 + c, load(row1 + c) + w1 * v);
        store(row2 + c, load(row2 + c) + w2 * v);
        store(row3 + c, load(row3 + c) + w3 * v);
      }
    }
  }

  // Features (2 order + 1, kRow) of the senders of all slots.
  void gather(const Group& b, const float* packed) const {
    const int64_t count = groups(b), edges = used, self = node, width = plan.features;
    const int32_t* senders = p.senders + node * p.slots + first;
    const float* from = packed + b.feature;
    float* to = h;
    unroll<kLevels>([&](auto level) {
      if (b.level != level) return;
      constexpr int G = 1 << level;
      unroll<kOrders>([&](auto order) {
        if (b.order != order) return;
        for (int64_t g = 0; g < count; ++g) {
          const float* row[G];
          unroll<G>([&](auto e) { row[e] = from + (g * G + e < edges ? senders[g * G + e] : self) * width; });
          unroll<2 * order + 1>([&](auto m) { store(to + m * kRow<G> + g * W, gather_rows<G>(row, m * (W / G))); });
        }
      });
    });
  }

  // Each of `count` rows of W / G channels at `from`, repeated for the G edges, to `to`.
  void spread(const Group& b, const float* from, int count, float* to) const {
    unroll<kLevels>([&](auto level) {
      if (b.level == level)
        for (int m = 0; m < count; ++m) store(to + m * W, interleave<(1 << level)>(from + m * b.width, 0));
    });
  }

  // Adds the sums (2 order + 1, W) in `line` to a row of features.
  void add_to_features(const Group& b, float* row) const {
    const int size = 2 * b.order + 1;
    float* out = row + p.chunks[b.chunk].start + b.first * size;
    for (int m = 0; m < size; ++m) {
      float sums[W];
      unroll<kLevels>([&](auto level) {
        if (b.level == level) store(sums, sum_edges<(1 << level)>(load(line + m * W)));
      });
      for (int c = 0; c < b.channels; ++c) out[c * size + m] += sums[c];
    }
  }

  // Adds the sums (1 + harmonics, kRow) in `gradient` to distances (slots) and harmonics (rows of slots).
  void add_to_edges(const Group& b, float* dr, float* dy) const {
    unroll<kLevels>([&](auto level) {
      if (b.level != level) return;
      constexpr int G = 1 << level;
      for (int64_t m = 0; m < 1 + plan.harmonics; ++m) {
        float* to = m == 0 ? dr : dy + (m - 1) * p.slots;
        for (int64_t g = 0; g < groups(b); ++g) {
          float sums[G];
          sum_channels<G>(load(gradient + m * kRow<G> + g * W), sums);
          for (int64_t e = 0; e < G && g * G + e < used; ++e) to[g * G + e] += sums[e];
        }
      }
    });
  }

  // The slots as path number `position` of a group sees them. A product with a scalar leaves the harmonics as they are: T is Y.
  Slots slots(const Group& b, const PathKernels& kernels, int filter, int64_t position, bool coupled = true) const {
    const float* own = y + filter * filter * kTile;
    if (coupled && b.order > 0) kernels.couple(own, t, used);
    return {groups(b), own, b.order > 0 ? t : own, phi + position * b.width, b.columns};
  }
};

template <class Body>
void for_ranges(const Runner& runner, int64_t count, int64_t length, Body&& body) {
  runner((count + length - 1) / length, [&](int64_t n) { body(n * length, std::min((n + 1) * length, count)); });
}

// Calls body with the workspace holding each tile of a node's slots.
template <class Body>
void for_tiles(Workspace& w, int64_t node, bool mirrored, Body&& body) {
  for (int64_t first = 0; first < w.p.degrees[node]; first += kTile) {
    w.load_tile(node, first, mirrored);
    body();
  }
}

void pack_tables(const Problem& p, const Plan& plan, const float* table, float* packed, const Runner& runner) {
  for_ranges(runner, 2 * p.knots, 64, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) plan.pack_table(p, table + n * p.columns, packed + n * plan.columns);
  });
}

void pack(const Problem& p, const Plan& plan, float* features, float* table, const Runner& runner) {
  for_ranges(runner, p.nodes, 512, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) plan.pack_features(p, p.feature + n * p.features, features + n * plan.features);
  });
  pack_tables(p, plan, p.table, table, runner);
}

void forward(const Problem& p, float* const* messages, const Runner& runner) {
  const Plan plan(p);
  const Buffer features(p.nodes * plan.features), table(2 * p.knots * plan.columns);
  pack(p, plan, features.data(), table.data(), runner);
  for_ranges(runner, p.nodes, kNodesPerTask, [&](int64_t first, int64_t last) {
    Workspace w(p, plan);
    for (int64_t node = first; node < last; ++node) {
      for (size_t k = 0; k < p.blocks.size(); ++k) {
        const int64_t size = (2 * p.blocks[k].order + 1) * p.blocks[k].width;
        std::memset(messages[k] + node * size, 0, 4 * size);
      }
      for_tiles(w, node, false, [&] {
        for (const Group& b : plan.groups) {
          w.gather(b, features.data());
          w.interpolate(b, table.data(), w.phi);
          for (size_t k = 0; k < b.paths.size(); ++k) {
            const Path& path = p.paths[b.paths[k]];
            const PathKernels& kernels = kernels_of(p, path);
            kernels.forward[b.level](w.slots(b, kernels, path.filter, k), w.h, w.line);
            float* out = Plan::message(p, messages, path, node, b.first);
            for (int o = 0; o < 2 * path.output + 1; ++o, out += p.blocks[path.block].width)
              for (int c = 0; c < b.channels; ++c) out[c] += w.line[o * b.width + c];
          }
        }
      });
    }
  });
}

// The table's cotangent is summed in parts, each over its own nodes; how many parts there are depends on the nodes alone.
int64_t parts_of(int64_t nodes) { return nodes < 2048 ? std::max<int64_t>(nodes / 128, 1) : std::clamp<int64_t>(nodes / 256, 16, 64); }

void backward(const Problem& p, const float* const* cotangent, float* gradient, float* table_gradient, const Runner& runner) {
  const Plan plan(p);
  const Buffer features(p.nodes * plan.features), table(2 * p.knots * plan.columns), packed(p.nodes * plan.messages);
  pack(p, plan, features.data(), table.data(), runner);
  for_ranges(runner, p.nodes, 512, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) plan.pack_messages(p, cotangent, n, packed.data() + n * plan.messages);
  });
  const int64_t parts = parts_of(p.nodes), length = table_gradient ? (p.nodes + parts - 1) / parts : kNodesPerTask;
  const int64_t size = 2 * p.knots * plan.columns;
  const Buffer sums(table_gradient ? parts * size : 0);
  if (table_gradient) for_ranges(runner, parts, 1, [&](int64_t part, int64_t) { std::memset(sums.data() + part * size, 0, 4 * size); });
  for_ranges(runner, p.nodes, length, [&](int64_t first, int64_t last) {
    Workspace w(p, plan);
    float* into = sums.data() + (table_gradient ? first / length * size : 0);
    for (int64_t node = first; node < last; ++node) {
      std::memset(gradient + node * p.features, 0, 4 * p.features);
      for_tiles(w, node, true, [&] {
        for (int64_t k = 0; k < kTile; ++k) w.rows[k] = packed.data() + (k < w.used ? p.senders[node * p.slots + w.first + k] : node) * plan.messages;
        for (const Group& b : plan.groups) {
          w.interpolate(b, table.data(), w.phi);
          w.spread(b, features.data() + node * plan.features + b.feature, 2 * b.order + 1, w.h);
          std::memset(w.line, 0, 4 * (2 * b.order + 1) * W);
          int64_t offset = b.message;
          for (size_t k = 0; k < b.paths.size(); ++k) {
            const Path& path = p.paths[b.paths[k]];
            const PathKernels& kernels = kernels_of(p, path);
            const auto run = table_gradient ? kernels.backward_table[b.level] : kernels.backward[b.level];
            run(w.slots(b, kernels, path.filter, k), w.rows, offset, w.h, w.line, w.other + k * b.width);
            offset += (2 * path.output + 1) * b.width;
          }
          if (table_gradient) w.scatter(b, w.other, into);
          w.add_to_features(b, gradient + node * p.features);
        }
      });
    }
  });
  if (!table_gradient) return;
  for_ranges(runner, 2 * p.knots, 16, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      float* total = sums.data() + row * plan.columns;
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t c = 0; c < plan.columns; c += W) store(total + c, load(total + c) + load(total + part * size + c));
      plan.unpack_table(p, total, table_gradient + row * p.columns);
    }
  });
}

void geometry(const Problem& p, const float* slope_table, const float* const* cotangent, float* distances, float* harmonics, const Runner& runner) {
  const Plan plan(p);
  const Buffer features(p.nodes * plan.features), table(2 * p.knots * plan.columns), slopes(2 * p.knots * plan.columns);
  pack(p, plan, features.data(), table.data(), runner);
  pack_tables(p, plan, slope_table, slopes.data(), runner);
  for_ranges(runner, p.nodes, kNodesPerTask, [&](int64_t first, int64_t last) {
    Workspace w(p, plan);
    std::vector<float> row(plan.messages);
    for (int64_t node = first; node < last; ++node) {
      plan.pack_messages(p, cotangent, node, row.data());
      float* dr = distances + node * p.slots;
      float* dy = harmonics + node * plan.harmonics * p.slots;
      std::memset(dr, 0, 4 * p.slots);
      std::memset(dy, 0, 4 * plan.harmonics * p.slots);
      for_tiles(w, node, false, [&] {
        for (const Group& b : plan.groups) {
          w.gather(b, features.data());
          w.interpolate(b, table.data(), w.phi);
          w.interpolate(b, slopes.data(), w.other);
          std::memset(w.gradient, 0, 4 * (1 + plan.harmonics) * (kTile * W >> b.level));
          int64_t offset = b.message;
          for (size_t k = 0; k < b.paths.size(); ++k) {
            const Path& path = p.paths[b.paths[k]];
            const PathKernels& kernels = kernels_of(p, path);
            w.spread(b, row.data() + offset, 2 * path.output + 1, w.d);
            offset += (2 * path.output + 1) * b.width;
            float* dy_path = w.gradient + (1 + path.filter * path.filter) * (kTile * W >> b.level);
            kernels.geometry[b.level](w.slots(b, kernels, path.filter, k, false), w.other + k * b.width, w.h, w.d, w.gradient, dy_path);
          }
          w.add_to_edges(b, dr + w.first, dy + w.first);
        }
      });
    }
  });
}

}  // namespace

#define EQUIJAX_TEXT_(x) #x
#define EQUIJAX_TEXT(x) EQUIJAX_TEXT_(x)

extern const Kernels kernels;
const Kernels kernels = {EQUIJAX_TEXT(EQUIJAX_TARGET), W, forward, backward, geometry};

}  // namespace equijax::EQUIJAX_TARGET
