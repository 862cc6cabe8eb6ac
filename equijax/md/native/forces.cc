// The forces for one instruction set: a vector holds one neighbour of each of EQUIJAX_LANES particles that stand one behind the other.

#include "forces.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "lanes.h"

namespace equijax::EQUIJAX_TARGET {
namespace {

// Lays the neighbours of particles first .. first + count - 1 side by side, a row of W for each slot; the last particle stands in the lanes that are left.
// Rows of the whole table lie so far apart that in some sizes all of them would meet in the same few places of the cache. Returns the slots that any of
// the particles uses, or -1 if one of them has a neighbour that does not exist.
int64_t lay_out(const Forces& p, const int32_t* own, int64_t first, int64_t count, int32_t* rows) {
  const Ints selves = load(own);
  Ints used{}, strangers{};
  for (int64_t k = 0; k < p.slots; ++k) {
    const int32_t* row = p.neighbours + k * p.particles + first;
    if (count == W) store(rows + k * W, load(row));
    else for (int l = 0; l < W; ++l) rows[k * W + l] = row[std::min<int64_t>(l, count - 1)];
    const Ints names = load(rows + k * W) & kNumber;
    used = names != selves ? static_cast<int32_t>(k + 1) - Ints{} : used;
    strangers |= names >= static_cast<int32_t>(p.particles);
  }
  int32_t most = 0, any = 0;
  for (int l = 0; l < W; ++l) {
    most = std::max<int32_t>(most, used[l]);
    any |= strangers[l];
  }
  return any ? -1 : most;
}

// Forces on up to W particles; `rows` has room for W neighbours in each slot.
template <int kTypes>
bool block(const Forces& p, int64_t first, int64_t count, int32_t* rows) {
  const int types_known = kTypes ? kTypes : static_cast<int>(p.types_known);
  int32_t own[W];
  for (int l = 0; l < W; ++l) own[l] = static_cast<int32_t>(first + std::min<int64_t>(l, count - 1));
  const int64_t slots = lay_out(p, own, first, count, rows);
  if (slots < 0) return false;
  const int32_t* at[W];
  for (int l = 0; l < W; ++l) at[l] = p.places + int64_t{4} * own[l];
  const Quads here = transpose(at);
  float strength[3][kMostTypes][W];
  for (int t = 0; t < types_known; ++t)
    for (int l = 0; l < W; ++l) {
      const int64_t pair = at[l][3] * p.types_known + t;
      strength[0][t][l] = p.repulsion[pair];
      strength[1][t][l] = p.attraction[pair];
      strength[2][t][l] = p.reach[pair];
    }
  const auto of_type = [&](int which, Ints types) {
    Floats value = load(strength[which][0]);
    for (int t = 1; t < types_known; ++t) value = types == t ? load(strength[which][t]) : value;
    return value;
  };
  Floats fx{}, fy{}, fz{};
  for (int64_t k = 0; k < slots; ++k) {
    const int32_t* row = rows + k * W;
    for (int l = 0; l < W; ++l) at[l] = p.places + int64_t{4} * (row[l] & kNumber);
    const Quads there = transpose(at);
    const Floats dx = apart(here.of[0], there.of[0], p.scale[0]), dy = apart(here.of[1], there.of[1], p.scale[1]), dz = apart(here.of[2], there.of[2], p.scale[2]);
    const Floats squared = dx * dx + dy * dy + dz * dz, inverse = 1.0f / squared, cubed = inverse * inverse * inverse;
    const Ints types = load(row) >> kTypeShift;
    const Floats factor = (of_type(0, types) * cubed - of_type(1, types)) * cubed * inverse;
    const Floats counted = ((squared < of_type(2, types)) & (squared > 0.0f)) ? factor : Floats{};
    fx += counted * dx;
    fy += counted * dy;
    fz += counted * dz;
  }
  const Floats total[3] = {fx, fy, fz};
  for (int64_t l = 0; l < count; ++l)
    for (int64_t a = 0; a < p.dimensions; ++a) p.out[(first + l) * p.dimensions + a] = total[a][l];
  return true;
}

bool forces(const Forces& p, int64_t first, int64_t count) {
  const auto one = p.types_known == 2 ? block<2> : block<0>;
  std::vector<int32_t> rows(p.slots * W);
  bool known = true;
  for (int64_t done = 0; done < count; done += W) known &= one(p, first + done, std::min<int64_t>(W, count - done), rows.data());
  return known;
}

// The number nearest to x, for |x| < 2^51, and its lowest 32 bits, without instructions that older processors lack.
constexpr double kRound = 0x1.8p52;

inline int32_t lowest_bits(double x) {
  const double moved = x + kRound;
  int64_t bits;
  std::memcpy(&bits, &moved, sizeof(bits));
  return static_cast<int32_t>(static_cast<uint32_t>(bits));
}

void place(const double* positions, const int32_t* types, int64_t period, const double* box, int64_t dimensions, int64_t first, int64_t count, int32_t* places) {
  double turn[3] = {};
  for (int64_t a = 0; a < dimensions; ++a) turn[a] = 1 / box[a];
  for (int64_t i = first; i < first + count; ++i) {
    int32_t* at = places + 4 * i;
    for (int64_t a = 0; a < 3; ++a) at[a] = 0;
    for (int64_t a = 0; a < dimensions; ++a) {
      const double turns = positions[i * dimensions + a] * turn[a];
      at[a] = lowest_bits((turns - ((turns + kRound) - kRound)) * 0x1p32);
    }
    at[3] = types[i % period];
  }
}

}  // namespace

extern const ForceKernels force_kernels;
const ForceKernels force_kernels = {EQUIJAX_TEXT(EQUIJAX_TARGET), place, forces};

}  // namespace equijax::EQUIJAX_TARGET
