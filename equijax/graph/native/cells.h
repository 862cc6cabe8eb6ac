// Neighbour tables of a periodic liquid by cells, for one configuration at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace equijax {

constexpr int kMostTypes = 8, kTypeShift = 28;

// Coordinates are 32-bit fractions of the box: r = x L / 2^32. They wrap by themselves, so the difference of two is already their nearest image.
struct Liquid {
  int64_t particles, dimensions, types_known;
  const int32_t* coordinates;  // (particles, dimensions)
  const int32_t* types;        // (particles)
  const float* box;            // (dimensions)
  const float* reach;          // (types_known, types_known), distances up to which a pair of types is listed
};

// Columns of a table (slots, columns): in slot k of its column, each particle has its k-th neighbour, or itself where it has none. An entry is the
// neighbour's number plus its type times 2^kTypeShift.
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
    // Cells along the last axis lie one behind the other, so that they come in one stretch, or in two where the box ends between them.
    const int64_t low = cell[2] - around_[2], high = std::min(cell[2] + around_[2] + 1, low + count_[2]);
    for (int64_t a = first_step(0); a <= around_[0]; ++a)
      for (int64_t b = first_step(1); b <= around_[1]; ++b) {
        const int64_t row = (wrapped(cell[0] + a, 0) * count_[1] + wrapped(cell[1] + b, 1)) * count_[2];
        const auto after = [&](int64_t from, int64_t to) { copy(std::max(first_[row + from], end), first_[row + to]); };
        if (low < 0) after(low + count_[2], count_[2]);
        after(std::max<int64_t>(low, 0), std::min(high, count_[2]));
        if (high > count_[2]) after(0, high - count_[2]);
      }
    const int64_t candidates = static_cast<int64_t>(near_names_.size());
    inside_.resize(std::max<size_t>(inside_.size(), candidates));
    found_.resize(std::max<size_t>(found_.size(), candidates));
    limits_.resize(std::max<size_t>(limits_.size(), candidates * liquid.types_known));
    for (int64_t t = 0; t < liquid.types_known; ++t)
      for (int64_t q = 0; q < candidates; ++q) {
        const float reach = liquid.reach[t * liquid.types_known + near_types_[q]];
        limits_[t * candidates + q] = reach * reach;
      }
    for (int64_t p = begin; p < end; ++p) {
      const int64_t skipped = p - begin + 1, found = search(p, skipped, candidates);
      for (int64_t k = 0; k < found; ++k) {
        note(order_[p], found_[k], slots);
        note(found_[k], order_[p], slots);
      }
    }
  }

  // With an even number of cells, half a turn to the left and to the right lead to the same cell.
  int64_t first_step(int a) const { return 2 * around_[a] == count_[a] ? 1 - around_[a] : -around_[a]; }

  int64_t wrapped(int64_t cell, int a) const { return cell < 0 ? cell + count_[a] : cell >= count_[a] ? cell - count_[a] : cell; }

  void copy(int64_t begin, int64_t end) {
    if (begin >= end) return;
    for (int a = 0; a < 3; ++a) near_at_[a].insert(near_at_[a].end(), &at_[a][begin], &at_[a][end]);
    near_types_.insert(near_types_.end(), &types_[begin], &types_[end]);
    near_names_.insert(near_names_.end(), &order_[begin], &order_[end]);
  }

  // Put into found_ those candidates, from the first on, that are in reach of the p-th particle, and return how many they are.
  int64_t search(int64_t p, int64_t first, int64_t candidates) {
    const int32_t* __restrict x = near_at_[0].data();
    const int32_t* __restrict y = near_at_[1].data();
    const int32_t* __restrict z = near_at_[2].data();
    const float* __restrict limit = &limits_[types_[p] * candidates];
    int32_t* __restrict inside = inside_.data();
    const uint32_t px = at_[0][p], py = at_[1][p], pz = at_[2][p];
    const float sx = scale_[0], sy = scale_[1], sz = scale_[2];
    for (int64_t q = first; q < candidates; ++q) {
      const float dx = sx * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(x[q]) - px));
      const float dy = sy * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(y[q]) - py));
      const float dz = sz * static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(z[q]) - pz));
      inside[q] = dx * dx + dy * dy + dz * dz < limit[q];
    }
    const int32_t* __restrict names = near_names_.data();
    int32_t* __restrict found = found_.data();
    int64_t kept = 0;
    for (int64_t q = first; q < candidates; ++q) {
      found[kept] = names[q];
      kept += inside[q];
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
        for (int64_t i = begin; i < end; ++i) {
          const int64_t j = k < counts_[i] ? rows_[i * table.slots + k] : i;
          out[i] = static_cast<int32_t>(table.first + j + (static_cast<int64_t>(liquid.types[j]) << kTypeShift));
        }
      }
    }
  }

  std::array<float, 3> scale_{};
  std::array<int64_t, 3> count_{}, around_{};
  std::vector<int64_t> first_, next_;
  std::vector<int32_t> cell_;
  std::array<std::vector<int32_t>, 3> at_, near_at_;                // coordinates in the order of cells, and of the candidates
  std::vector<int32_t> types_, order_, near_types_, near_names_;  // likewise
  std::vector<float> limits_;  // (types, candidates), squares of how far a particle of each type reaches
  std::vector<int32_t> inside_, found_, rows_, counts_;
};

}  // namespace equijax
