// Neighbour tables by cells, for one instruction set.

#include "tables.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

// Whoever builds with flags of his own may have these instructions in shorter vectors too.
#if defined(__AVX512DQ__) && EQUIJAX_LANES == 16
#define EQUIJAX_COMPRESS
#include <immintrin.h>
#endif

#include "lanes.h"

namespace equijax::EQUIJAX_TARGET {
namespace {

constexpr int32_t kNobody = -1;

// Writes those of W entries whose lane of `chosen` is all ones to `out`, where W may be written, and returns how many they are.
inline int64_t append(int32_t* out, Ints entries, Ints chosen) {
#if defined(EQUIJAX_COMPRESS)
  const __mmask16 mask = _mm512_movepi32_mask((__m512i)chosen);
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(mask, (__m512i)entries));
  return __builtin_popcount(mask);
#else
  int64_t kept = 0;
  for (int l = 0; l < W; ++l) {
    out[kept] = entries[l];
    kept -= chosen[l];
  }
  return kept;
#endif
}

class CellList {
 public:
  int64_t fill(const Liquid& liquid, const Table& table) {
    arrange(liquid, table.first);
    // Whole quads, by which they are turned into columns.
    stride_ = (table.slots + 3) / 4 * 4;
    rows_.resize(liquid.particles * stride_);
    int64_t largest = 0;
    std::array<int64_t, 3> cell{};
    for (cell[0] = 0; cell[0] < count_[0]; ++cell[0])
      for (cell[1] = 0; cell[1] < count_[1]; ++cell[1])
        for (cell[2] = 0; cell[2] < count_[2]; ++cell[2]) largest = std::max(largest, neighbours_of(liquid, cell, table));
    for (int64_t i = 0; i < liquid.particles; i += W) write(i, std::min<int64_t>(W, liquid.particles - i), table);
    return largest;
  }

 private:
  // Cells are about half a reach wide: of what lies in the cells around, two in five are neighbours, where with cells of a whole reach it is one in six.
  void arrange(const Liquid& liquid, int64_t first) {
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
    begin_.assign(total + 1, 0);
    cell_.resize(liquid.particles);
    for (int64_t i = 0; i < liquid.particles; ++i) {
      int64_t cell = 0;
      for (int a = 0; a < 3; ++a) cell = cell * count_[a] + (a < liquid.dimensions ? along(liquid.coordinates[i * liquid.dimensions + a], a) : 0);
      cell_[i] = static_cast<int32_t>(cell);
      ++begin_[cell + 1];
    }
    for (int64_t c = 0; c < total; ++c) begin_[c + 1] += begin_[c];
    next_.assign(begin_.begin(), begin_.end() - 1);
    for (auto& column : sorted_) column.resize(liquid.particles + W);
    for (int64_t i = 0; i < liquid.particles; ++i) {
      const int64_t p = next_[cell_[i]]++;
      for (int a = 0; a < 3; ++a) sorted_[a][p] = a < liquid.dimensions ? liquid.coordinates[i * liquid.dimensions + a] : 0;
      sorted_[3][p] = static_cast<int32_t>(first + i + (static_cast<int64_t>(liquid.types[i]) << kTypeShift));
    }
  }

  int64_t along(int32_t x, int a) const { return static_cast<int64_t>((static_cast<uint64_t>(static_cast<uint32_t>(x)) * static_cast<uint64_t>(count_[a])) >> 32); }

  // Fill the rows of the particles of a cell; the cells around are laid side by side first, so that all of them run over the same long vectors.
  int64_t neighbours_of(const Liquid& liquid, const std::array<int64_t, 3>& cell, const Table& table) {
    const int64_t here = (cell[0] * count_[1] + cell[1]) * count_[2] + cell[2];
    if (begin_[here] == begin_[here + 1]) return 0;
    candidates_ = 0;
    // Cells along the last axis lie one behind the other, so that they come in one stretch, or in two where the box ends between them.
    const int64_t low = cell[2] - around_[2], high = std::min(cell[2] + around_[2] + 1, low + count_[2]);
    for (int64_t a = first_step(0); a <= around_[0]; ++a)
      for (int64_t b = first_step(1); b <= around_[1]; ++b) {
        const int64_t row = (wrapped(cell[0] + a, 0) * count_[1] + wrapped(cell[1] + b, 1)) * count_[2];
        if (low < 0) copy(begin_[row + low + count_[2]], begin_[row + count_[2]]);
        copy(begin_[row + std::max<int64_t>(low, 0)], begin_[row + std::min(high, count_[2])]);
        if (high > count_[2]) copy(begin_[row], begin_[row + high - count_[2]]);
      }
    for (int l = 0; l < W; ++l) near_[3][candidates_ + l] = kNobody;
    if (found_.size() < near_[3].size()) found_.resize(near_[3].size());
    int64_t largest = 0;
    for (int64_t p = begin_[here]; p < begin_[here + 1]; ++p) {
      const int64_t found = liquid.types_known == 2 ? search<2>(liquid, p) : search<0>(liquid, p), kept = std::min(found, table.slots);
      int32_t* row = &rows_[((sorted_[3][p] & kNumber) - table.first) * stride_];
      std::memcpy(row, found_.data(), sizeof(int32_t) * kept);
      std::fill(row + kept, row + stride_, sorted_[3][p]);
      largest = std::max(largest, found);
    }
    return largest;
  }

  // With an even number of cells, half a turn to the left and to the right lead to the same cell.
  int64_t first_step(int a) const { return 2 * around_[a] == count_[a] ? 1 - around_[a] : -around_[a]; }

  int64_t wrapped(int64_t cell, int a) const { return cell < 0 ? cell + count_[a] : cell >= count_[a] ? cell - count_[a] : cell; }

  // Whole vectors at a time: what is beyond the end is written over by what comes next.
  void copy(int64_t begin, int64_t end) {
    // By the column that grows last: one that could not grow is then noticed again.
    if (static_cast<int64_t>(near_[3].size()) < candidates_ + end - begin + 2 * W)
      for (auto& column : near_) column.resize(2 * (candidates_ + end - begin) + 2 * W);
    for (int a = 0; a < 4; ++a) {
      const int32_t* from = sorted_[a].data();
      int32_t* to = near_[a].data() + candidates_ - begin;
      for (int64_t q = begin; q < end; q += W) store(to + q, load(from + q));
    }
    candidates_ += end - begin;
  }

  // Put into found_ those candidates that are in reach of the p-th particle, and return how many they are.
  template <int kTypes>
  int64_t search(const Liquid& liquid, int64_t p) {
    const int64_t types_known = kTypes ? kTypes : liquid.types_known;
    const int32_t own = sorted_[3][p];
    const float* reach = liquid.reach + (own >> kTypeShift) * types_known;
    const Ints x = sorted_[0][p] - Ints{}, y = sorted_[1][p] - Ints{}, z = sorted_[2][p] - Ints{};
    int32_t* out = found_.data();
    int64_t kept = 0;
    for (int64_t q = 0; q < candidates_; q += W) {
      const Floats dx = apart(load(&near_[0][q]), x, scale_[0]), dy = apart(load(&near_[1][q]), y, scale_[1]), dz = apart(load(&near_[2][q]), z, scale_[2]);
      const Ints entries = load(&near_[3][q]), types = entries >> kTypeShift;
      Floats limit = reach[0] * reach[0] - Floats{};
      for (int32_t t = 1; t < types_known; ++t) limit = types == t ? reach[t] * reach[t] - Floats{} : limit;
      kept += append(out + kept, entries, (dx * dx + dy * dy + dz * dz < limit) & (entries != own) & (entries != kNobody));
    }
    return kept;
  }

  // Turn the rows of up to W particles into columns of the table.
  void write(int64_t first, int64_t count, const Table& table) const {
    const int32_t* at[W];
    for (int64_t k = 0; k < table.slots; k += 4) {
      for (int l = 0; l < W; ++l) at[l] = &rows_[(first + std::min<int64_t>(l, count - 1)) * stride_ + k];
      const Quads quads = transpose(at);
      for (int64_t s = 0; s < std::min<int64_t>(4, table.slots - k); ++s) {
        int32_t* out = table.entries + (k + s) * table.columns + table.first + first;
        if (count == W) store(out, quads.of[s]);
        else std::memcpy(out, &quads.of[s], sizeof(int32_t) * count);
      }
    }
  }

  std::array<float, 3> scale_{};
  std::array<int64_t, 3> count_{}, around_{};
  std::vector<int64_t> begin_, next_;                  // where each cell begins in the order of cells
  std::array<std::vector<int32_t>, 4> sorted_, near_;  // coordinates and entry of each particle in that order, and of the candidates, all with W more
  std::vector<int32_t> cell_, found_, rows_;
  int64_t candidates_ = 0, stride_ = 0;
};

int64_t fill(const Liquid& liquid, const Table& table) {
  thread_local CellList cells;
  return cells.fill(liquid, table);
}

}  // namespace

extern const TableKernels table_kernels;
const TableKernels table_kernels = {EQUIJAX_TEXT(EQUIJAX_TARGET), fill};

}  // namespace equijax::EQUIJAX_TARGET
