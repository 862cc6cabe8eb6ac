// Neighbour tables of each instruction set against brute force, under the sanitizers: two and three dimensions, small and large boxes, tables with and
// without room.
#include <cmath>
#include <cstdio>
#include <random>
#include <set>
#include <vector>

#include "entries.h"
#include "tables.h"

using namespace equijax;

namespace {

int check(const TableKernels& kernels, int64_t n, int64_t dimensions, float side, int64_t slots, unsigned seed, int64_t types_known = 2, int64_t first = 0) {
  std::mt19937 random(seed);
  std::vector<int32_t> coordinates(n * dimensions), types(n);
  for (auto& value : coordinates) value = static_cast<int32_t>(random());
  for (auto& value : types) value = random() % types_known;
  // The edges of the range of fractions, where differences wrap.
  coordinates[0] = INT32_MIN;
  coordinates[1] = INT32_MAX;
  const std::vector<float> box(dimensions, side);
  std::vector<float> reach(types_known * types_known);
  for (int64_t s = 0; s < types_known; ++s)
    for (int64_t t = 0; t < types_known; ++t) reach[s * types_known + t] = 2.8f - 0.07f * (s + t);
  const int64_t columns = first + n + 3;
  std::vector<int32_t> entries(slots * columns, -1);
  const Liquid liquid{n, dimensions, types_known, coordinates.data(), types.data(), box.data(), reach.data()};
  const int64_t largest = kernels.fill(liquid, {entries.data(), slots, columns, first});
  int64_t expected = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::set<int32_t> near, unsure, found;
    for (int64_t j = 0; j < n; ++j) {
      if (i == j) continue;
      double squared = 0;
      for (int64_t a = 0; a < dimensions; ++a) {
        const auto difference = static_cast<int32_t>(static_cast<uint32_t>(coordinates[j * dimensions + a]) - static_cast<uint32_t>(coordinates[i * dimensions + a]));
        squared += std::pow(difference * 0x1p-32 * side, 2);
      }
      const double distance = std::sqrt(squared), limit = reach[types[i] * types_known + types[j]];
      // Single precision may decide either way within a millionth.
      if (std::abs(distance - limit) < 1e-5) unsure.insert(j);
      if (distance < limit) near.insert(j);
    }
    expected = std::max<int64_t>(expected, near.size());
    for (int64_t k = 0; k < slots; ++k) {
      const int32_t entry = entries[k * columns + first + i], name = (entry & kNumber) - static_cast<int32_t>(first);
      if (name < 0 || name >= n || (entry >> kTypeShift) != types[name]) return std::printf("entry %d of particle %ld is %d\n", int(k), long(i), entry), 1;
      if (name != i && !found.insert(name).second) return std::printf("particle %ld has neighbour %d twice\n", long(i), name), 1;
    }
    for (const int32_t j : found)
      if (!near.count(j) && !unsure.count(j)) return std::printf("%d is no neighbour of %ld\n", j, long(i)), 1;
    if (static_cast<int64_t>(near.size()) <= slots)
      for (const int32_t j : near)
        if (!found.count(j) && !unsure.count(j)) return std::printf("neighbour %d of %ld is missing\n", j, long(i)), 1;
  }
  for (int64_t k = 0; k < slots; ++k)
    for (int64_t c = 0; c < columns; ++c)
      if ((c < first || c >= first + n) && entries[k * columns + c] != -1) return std::printf("column %ld of other particles was written\n", long(c)), 1;
  if (std::abs(largest - expected) > 1) return std::printf("largest %ld, by brute force %ld\n", long(largest), long(expected)), 1;
  return 0;
}

int check_all(const TableKernels& kernels) {
  std::printf("%s\n", kernels.name);
  for (unsigned seed = 0; seed < 3; ++seed)
    if (check(kernels, 500, 3, 7.5f, 160, seed) || check(kernels, 60, 3, 5.7f, 60, seed) || check(kernels, 500, 3, 7.5f, 8, seed) ||
        check(kernels, 400, 2, 18.0f, 80, seed) || check(kernels, 3, 2, 40.0f, 8, seed) ||
        check(kernels, 333, 3, 7.5f, 141, seed, 1) || check(kernels, 333, 3, 7.5f, 142, seed, 8, 500) || check(kernels, 100, 3, 6.0f, 103, seed, 3, 7))
      return 1;
  return 0;
}

}  // namespace

int main() {
  int wrong = check_all(baseline::table_kernels);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) wrong |= check_all(avx2::table_kernels);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) wrong |= check_all(avx512::table_kernels);
#endif
  return wrong;
}
