// Neighbour tables of a periodic liquid by cells, for one configuration at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace equijax {

constexpr int kMostTypes = 8;

// Coordinates are 32-bit fractions of the box: r = x L / 2^32. They wrap by themselves, so the difference of two is already their nearest image.
struct Liquid {
  int64_t particles, dimensions, types_known;
  const int32_t* coordinates;  // (particles, dimensions)
  const int32_t* types;        // (particles)
  const float* box;            // (dimensions)
  const float* reach;          // (types_known, types_known), distances up to which a pair of types is listed
};

// Columns of a table (slots, columns): in slot k of its column, each particle has its k-th neighbour, or itself where it has none.
struct Table {
  int32_t* entries;
  int64_t slots, columns, first;  // the particles' columns, and the numbers they are known by, begin with `first`
};

class CellList {
 public:
  // Returns the largest number of neighbours that any particle has; when it is above the number of slots the table lacks pairs.
  int64_t fill(const Liquid& liquid, const Table& table) {
    arrange(liquid);
    rows_.resize(liquid.particles * table.slots);
    counts_.assign(liquid.particles, 0);
    std::array<int64_t, 3> cell{};
    for (cell[0] = 0; cell[0] < count_[0]; ++cell[0])
      for (cell[1] = 0; cell[1] < count_[1]; ++cell[1])
        for (cell[2] = 0; cell[2] < count_[2]; ++cell[2]) pairs_of(liquid, cell, table.slots);
    write(liquid, table);
    return *std::max_element(counts_.begin(), counts_.end());
  }

 private:
  // Cells are about half a reach wide: of what lies in the cells around, two in five are neighbours, where with cells of a whole reach it is one in six.
  void arrange(const Liquid& liquid) {
    float longest = 0;
    for (int64_t k = 0; k < liquid.types_known * liquid.types_known; ++k) longest = std::max(longest, liquid.reach[k]);
    int64_t total = 1;
    for (int a = 0; a < 3; ++a) {
      const bool used = a < liquid.dimensions;
      scale_[a] = used ? liquid.box[a] * 0x1p-32f : 0.0f;
      count_[a] = used ? std::clamp<int64_t>(static_cast<int64_t>(2 * liquid.box[a] / longest), 1, 1024) : 1;
      around_[a] = used ? std::min<int64_t>(static_cast<int64_t>(longest * count_[a] / liquid.box[a]) + 1, count_[a] / 2) : 0;
      total *= count_[a];
    }
    first_.assign(total + 1, 0);
    cell_.resize(liquid.particles);
    order_.resize(liquid.particles);
    types_.resize(liquid.particles);
    for (auto& axis : at_) axis.assign(liquid.particles, 0);
    for (int64_t i = 0; i < liquid.particles; ++i) {
      int64_t cell = 0;
      for (int a = 0; a < liquid.dimensions; ++a) cell = cell * count_[a] + along(liquid.coordinates[i * liquid.dimensions + a], a);
      cell_[i] = static_cast<int32_t>(cell);
      ++first_[cell + 1];
    }
    for (int64_t c = 0; c < total; ++c) first_[c + 1] += first_[c];
    next_.assign(first_.begin(), first_.end() - 1);
    for (int64_t i = 0; i < liquid.particles; ++i) {
      const int64_t p = next_[cell_[i]]++;
      order_[p] = static_cast<int32_t>(i);
      types_[p] = liquid.types[i];
      for (int a = 0; a < liquid.dimensions; ++a) at_[a][p] = liquid.coordinates[i * liquid.dimensions + a];
    }
  }

  int64_t along(int32_t x, int a) const { return static_cast<int64_t>((static_cast<uint64_t>(static_cast<uint32_t>(x)) * static_cast<uint64_t>(count_[a])) >> 32); }

  // Note every pair of a particle of this cell with one that comes after it in the order of cells. The cells around are laid side by side first, so that
  // all particles of the cell run over the same long vectors.
  void pairs_of(const Liquid& liquid, const std::array<int64_t, 3>& cell, int64_t slots) {
    const int64_t here = (cell[0] * count_[1] + cell[1]) * count_[2] + cell[2], begin = first_[here], end = first_[here + 1];
    if (begin == end) return;
    for (auto& axis : near_at_) axis.clear();
    near_types_.clear();
    near_names_.clear();
    copy(begin, end);
    std::array<int64_t, 3> step{};
    for (step[0] = -around_[0]; step[0] <= around_[0]; ++step[0])
      for (step[1] = -around_[1]; step[1] <= around_[1]; ++step[1])
        for (step[2] = -around_[2]; step[2] <= around_[2]; ++step[2]) {
          int64_t there = 0;
          bool seen = false;
          for (int a = 0; a < 3; ++a) {
            // With an even number of cells, half a turn to the left and to the right are the same cell.
            seen |= 2 * around_[a] == count_[a] && step[a] == -around_[a] && step[a] != 0;
            const int64_t to = cell[a] + step[a];
            there = there * count_[a] + (to < 0 ? to + count_[a] : to >= count_[a] ? to - count_[a] : to);
          }
          if (!seen && there > here) copy(first_[there], first_[there + 1]);
        }
    const int64_t candidates = static_cast<int64_t>(near_names_.size());
    squared_.resize(std::max<size_t>(squared_.size(), candidates));
    found_.resize(std::max<size_t>(found_.size(), candidates));
    for (int64_t p = begin; p < end; ++p) {
      const int64_t skipped = p - begin + 1, found = search(liquid, p, skipped, candidates - skipped);
      for (int64_t k = 0; k < found; ++k) {
        note(order_[p], found_[k], slots);
        note(found_[k], order_[p], slots);
      }
    }
  }

  void copy(int64_t begin, int64_t end) {
    for (int a = 0; a < 3; ++a) near_at_[a].insert(near_at_[a].end(), &at_[a][begin], &at_[a][end]);
    near_types_.insert(near_types_.end(), &types_[begin], &types_[end]);
    near_names_.insert(near_names_.end(), &order_[begin], &order_[end]);
  }

  // Put into found_ those candidates that are in reach of the p-th particle, and return how many they are.
  int64_t search(const Liquid& liquid, int64_t p, int64_t first, int64_t count) {
    std::array<float, kMostTypes> reach{};
    for (int64_t t = 0; t < liquid.types_known; ++t) {
      const float one = liquid.reach[types_[p] * liquid.types_known + t];
      reach[t] = one * one;
    }
    const int32_t* __restrict x = near_at_[0].data() + first;
    const int32_t* __restrict y = near_at_[1].data() + first;
    const int32_t* __restrict z = near_at_[2].data() + first;
    float* __restrict squared = squared_.data();
    const uint32_t px = at_[0][p], py = at_[1][p], pz = at_[2][p];
    const float sx = scale_[0], sy = scale_[1], sz = scale_[2];
    for (int64_t q = 0; q < count; ++q) {
      const float dx = sx * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(x[q]) - px));
      const float dy = sy * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(y[q]) - py));
      const float dz = sz * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(z[q]) - pz));
      squared[q] = dx * dx + dy * dy + dz * dz;
    }
    const int32_t* __restrict names = near_names_.data() + first;
    const int32_t* __restrict types = near_types_.data() + first;
    int32_t* __restrict found = found_.data();
    int64_t kept = 0;
    for (int64_t q = 0; q < count; ++q) {
      found[kept] = names[q];
      kept += squared[q] < reach[types[q]];
    }
    return kept;
  }

  void note(int32_t i, int32_t j, int64_t slots) {
    const int32_t k = counts_[i]++;
    if (k < slots) rows_[i * slots + k] = j;
  }

  // Turn rows of neighbours into columns of the table, some particles at once so that whole lines of memory are written.
  void write(const Liquid& liquid, const Table& table) const {
    constexpr int64_t kAtOnce = 16;
    for (int64_t begin = 0; begin < liquid.particles; begin += kAtOnce) {
      const int64_t end = std::min(begin + kAtOnce, liquid.particles);
      for (int64_t k = 0; k < table.slots; ++k) {
        int32_t* out = table.entries + k * table.columns + table.first;
        for (int64_t i = begin; i < end; ++i) out[i] = static_cast<int32_t>(table.first + (k < counts_[i] ? rows_[i * table.slots + k] : i));
      }
    }
  }

  std::array<float, 3> scale_{};
  std::array<int64_t, 3> count_{}, around_{};
  std::vector<int64_t> first_, next_;
  std::vector<int32_t> cell_;
  std::array<std::vector<int32_t>, 3> at_, near_at_;                // coordinates in the order of cells, and of the candidates
  std::vector<int32_t> types_, order_, near_types_, near_names_;  // likewise
  std::vector<int32_t> found_, rows_, counts_;
  std::vector<float> squared_;
};

}  // namespace equijax
