// Runs every instruction set of this machine on a random problem and checks that the gradients are the transposes of the forward pass.
// Built with sanitizers by test_native.py; exits with 1 and says why if a product differs.

#include <cmath>
#include <cstdio>
#include <random>

#include "problem.h"

namespace {

using namespace equijax;

struct Data {
  Problem p{};
  std::vector<float> distances, harmonics, feature, table;
  std::vector<int32_t> senders, degrees;
  std::vector<std::vector<float>> cotangent;
};

// Degrees from 0 to beyond a tile, every triplet, channels that fill no vector.
Data random_problem(int l_max, std::vector<Chunk> chunks, int64_t nodes, double density, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  Data d;
  Problem& p = d.p;
  p.nodes = nodes;
  p.knots = 16;
  p.l_max = l_max;
  p.cutoff = 2;
  for (Chunk& chunk : chunks) {
    chunk.start = p.features;
    p.features += chunk.channels * (2 * chunk.order + 1);
  }
  p.chunks = chunks;
  for (int o = 0; o <= l_max; ++o) {
    p.blocks.push_back({o, 0});
    for (int c = 0; c < static_cast<int>(chunks.size()); ++c)
      for (int f = std::abs(chunks[c].order - o); f <= std::min(l_max, chunks[c].order + o); ++f) {
        p.paths.push_back({c, f, o, p.columns, o, p.blocks[o].width});
        p.columns += chunks[c].channels;
        p.blocks[o].width += chunks[c].channels;
      }
  }
  std::vector<std::vector<std::pair<int, std::vector<float>>>> edges(nodes);
  for (int i = 1; i < nodes - 1; ++i)  // the first and the last node stay alone
    for (int j = i + 1; j < nodes - 1; ++j)
      if (uniform(random) < density) {
        std::vector<float> there{static_cast<float>(2.2 * uniform(random))}, back = there;
        for (int l = 0; l <= l_max; ++l)
          for (int m = 0; m < 2 * l + 1; ++m) {
            there.push_back(normal(random));
            back.push_back(l % 2 ? -there.back() : there.back());
          }
        edges[i].push_back({j, there});
        edges[j].push_back({i, back});
      }
  for (const auto& row : edges) p.slots = std::max<int64_t>(p.slots, row.size());
  const int64_t rows = (l_max + 1) * (l_max + 1);
  d.distances.resize(nodes * p.slots);
  d.harmonics.resize(nodes * rows * p.slots);
  d.senders.resize(nodes * p.slots);
  for (int i = 0; i < nodes; ++i) {
    d.degrees.push_back(static_cast<int32_t>(edges[i].size()));
    for (size_t k = 0; k < edges[i].size(); ++k) {
      d.senders[i * p.slots + k] = edges[i][k].first;
      d.distances[i * p.slots + k] = edges[i][k].second[0];
      for (int64_t m = 0; m < rows; ++m) d.harmonics[(i * rows + m) * p.slots + k] = edges[i][k].second[1 + m];
    }
  }
  const auto fill = [&](std::vector<float>& v, int64_t n) {
    v.resize(n);
    for (float& x : v) x = normal(random);
  };
  fill(d.feature, nodes * p.features);
  fill(d.table, p.knots * 2 * p.columns);
  d.cotangent.resize(p.blocks.size());
  for (size_t k = 0; k < p.blocks.size(); ++k) fill(d.cotangent[k], nodes * (2 * p.blocks[k].order + 1) * p.blocks[k].width);
  p.distances = d.distances.data();
  p.harmonics = d.harmonics.data();
  p.senders = d.senders.data();
  p.degrees = d.degrees.data();
  p.feature = d.feature.data();
  p.table = d.table.data();
  return d;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

double norm(const std::vector<float>& a) { return std::sqrt(dot(a, a)); }

bool check(const Kernels& kernels, const Data& d, const char* name) {
  const Problem& p = d.p;
  const Runner runner{[](void*, int64_t count, void (*task)(void*, int64_t), void* context) {
                        for (int64_t k = count - 1; k >= 0; --k) task(context, k);
                      },
                      nullptr};
  std::vector<std::vector<float>> out;
  std::vector<float*> to;
  std::vector<const float*> from;
  double size = 0, expected = 0;
  for (const auto& block : d.cotangent) {
    out.push_back(std::vector<float>(block.size(), NAN));
    from.push_back(block.data());
  }
  for (auto& block : out) to.push_back(block.data());
  kernels.forward(p, to.data(), runner);
  for (size_t k = 0; k < out.size(); ++k) {
    expected += dot(out[k], d.cotangent[k]);
    size += norm(out[k]) * norm(d.cotangent[k]);
  }
  std::vector<float> feature(d.feature.size(), NAN), again(d.feature.size(), NAN), table(d.table.size(), NAN), distances(d.distances.size(), NAN), harmonics(d.harmonics.size(), NAN);
  kernels.backward(p, from.data(), feature.data(), table.data(), runner);
  kernels.backward(p, from.data(), again.data(), nullptr, runner);
  kernels.geometry(p, d.table.data(), from.data(), distances.data(), harmonics.data(), runner);
  const double products[] = {dot(feature, d.feature), dot(again, d.feature), dot(table, d.table), dot(harmonics, d.harmonics)};
  bool fine = std::isfinite(dot(distances, distances)) && size > 0;
  for (double product : products) fine = fine && std::abs(product - expected) < 1e-7 * size;
  std::printf("%s %s: forward %.9g, features %.9g %.9g, table %.9g, harmonics %.9g of %.3g: %s\n", kernels.name, name, expected, products[0], products[1], products[2],
              products[3], size, fine ? "equal" : "DIFFERENT");
  return fine;
}

}  // namespace

int main() {
  const Data problems[] = {random_problem(3, {{11, 0, 0}, {9, 1, 0}, {3, 2, 0}, {5, 3, 0}}, 40, 0.5, 1), random_problem(2, {{2, 0, 0}, {1, 1, 0}}, 150, 0.6, 2),
                           random_problem(0, {{1, 0, 0}}, 4, 1.0, 3), random_problem(1, {{20, 0, 0}, {17, 1, 0}}, 300, 0.05, 4)};
  bool fine = true;
  for (const Data& d : problems) {
    const char* name = d.p.l_max == 3 ? "every order" : d.p.l_max == 2 ? "more slots than a tile" : d.p.l_max == 0 ? "one pair" : "many channels";
    {
      fine &= check(baseline::kernels, d, name);
#if defined(__x86_64__)
      if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) fine &= check(avx2::kernels, d, name);
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) fine &= check(avx512::kernels, d, name);
#endif
    }
  }
  return fine ? 0 : 1;
}
