// Forces of each instruction set against all pairs in double precision, under the sanitizers: two and three dimensions, one to eight types, particles that
// do not fill whole vectors, and a neighbour that does not exist.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "entries.h"
#include "forces.h"

using namespace equijax;

namespace {

int check(const ForceKernels& kernels, int64_t n, int64_t dimensions, int64_t types_known, int64_t images, unsigned seed) {
  std::mt19937 random(seed);
  const double side = 8.0, cut = 2.5;
  const std::vector<double> box(dimensions, side);
  std::vector<double> positions(n * dimensions);
  std::vector<int32_t> types(n);
  for (auto& x : positions) x = side * (random() * 0x1p-32 + static_cast<int64_t>(random() % (2 * images + 1)) - images);
  for (auto& type : types) type = random() % types_known;
  std::vector<float> repulsion(types_known * types_known), attraction(repulsion), reach(repulsion);
  for (int64_t i = 0; i < types_known; ++i)
    for (int64_t j = 0; j < types_known; ++j) {
      repulsion[i * types_known + j] = 1 + i + j;
      attraction[i * types_known + j] = 0.5f + i * j;
      reach[i * types_known + j] = static_cast<float>(std::pow(cut - 0.1 * (i + j), 2));
    }
  const auto pair = [&](int64_t i, int64_t j, double* vector) {
    double squared = 0;
    for (int64_t a = 0; a < dimensions; ++a) {
      const double apart = positions[i * dimensions + a] - positions[j * dimensions + a];
      vector[a] = apart - side * std::round(apart / side);
      squared += vector[a] * vector[a];
    }
    return squared;
  };
  std::vector<std::vector<int32_t>> near(n);
  std::vector<double> expected(n * dimensions), size(n);
  int64_t slots = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double vector[3];
      const double squared = pair(i, j, vector);
      const float limit = reach[types[i] * types_known + types[j]];
      // No pairs that overlap, and none so near the cut that single precision may decide either way.
      if (i == j || squared > 9.0 || squared < 0.7 || std::abs(squared - limit) < 1e-4) continue;
      near[i].push_back(j + (types[j] << kTypeShift));
      if (squared > limit) continue;
      const int64_t types_of = types[i] * types_known + types[j];
      const double pushed = repulsion[types_of] * std::pow(squared, -7), pulled = attraction[types_of] * std::pow(squared, -4);
      for (int64_t a = 0; a < dimensions; ++a) expected[i * dimensions + a] += (pushed - pulled) * vector[a];
      size[i] += (pushed + pulled) * std::sqrt(squared);
    }
    slots = std::max<int64_t>(slots, near[i].size() + 1);
  }
  std::vector<int32_t> table(slots * n), places(4 * n, -1);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < slots; ++k) table[k * n + i] = k < static_cast<int64_t>(near[i].size()) ? near[i][k] : i + (types[i] << kTypeShift);
  std::vector<double> out(n * dimensions, NAN);
  Forces all{n, dimensions, slots, types_known, places.data(), table.data(), repulsion.data(), attraction.data(), reach.data(), {}, out.data()};
  for (int64_t a = 0; a < dimensions; ++a) all.scale[a] = static_cast<float>(side * 0x1p-32);
  // In two parts, the second of which begins in the middle of a vector.
  const int64_t first = n / 3;
  for (const auto& [from, count] : {std::pair{int64_t{0}, first}, std::pair{first, n - first}}) kernels.place(positions.data(), types.data(), n, box.data(), dimensions, from, count, places.data());
  if (!kernels.forces(all, 0, first) || !kernels.forces(all, first, n - first)) return std::printf("a neighbour that exists is said not to\n"), 1;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t a = 0; a < dimensions; ++a)
      if (!(std::abs(out[i * dimensions + a] - expected[i * dimensions + a]) <= 2e-6 * size[i] + 1e-30))
        return std::printf("force %d of particle %ld is %.9g, in double precision %.9g\n", int(a), long(i), out[i * dimensions + a], expected[i * dimensions + a]), 1;
  table[n / 2] = static_cast<int32_t>(n);
  if (kernels.forces(all, 0, n)) return std::printf("a neighbour that does not exist was not noticed\n"), 1;
  return 0;
}

int check_all(const ForceKernels& kernels) {
  std::printf("%s\n", kernels.name);
  for (unsigned seed = 0; seed < 3; ++seed)
    if (check(kernels, 333, 3, 2, 3, seed) || check(kernels, 200, 2, 2, 0, seed) || check(kernels, 256, 3, 1, 0, seed) || check(kernels, 150, 3, 3, 1, seed) || check(kernels, 150, 3, 8, 1, seed) || check(kernels, 2, 3, 2, 0, seed))
      return 1;
  return 0;
}

}  // namespace

int main() {
  int wrong = check_all(baseline::force_kernels);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) wrong |= check_all(avx2::force_kernels);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) wrong |= check_all(avx512::force_kernels);
#endif
  return wrong;
}
