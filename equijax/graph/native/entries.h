// Entries of a neighbour table: a particle's number plus its type times 2^kTypeShift.
#pragma once

#include <cstdint>

namespace equijax {

constexpr int kMostTypes = 8, kTypeShift = 28;
constexpr int32_t kNumber = (1 << kTypeShift) - 1;

}  // namespace equijax
