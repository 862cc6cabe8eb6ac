// Neighbour tables of a periodic liquid, for one configuration at a time.
#pragma once

#include <cstdint>

namespace equijax {

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

struct TableKernels {
  const char* name;
  // Returns the largest number of neighbours that any particle has; when it is above the number of slots the table lacks pairs.
  int64_t (*fill)(const Liquid&, const Table&);
};

namespace baseline { extern const TableKernels table_kernels; }
namespace avx2 { extern const TableKernels table_kernels; }
namespace avx512 { extern const TableKernels table_kernels; }

}  // namespace equijax
