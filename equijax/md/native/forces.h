// Lennard-Jones forces between the listed pairs of a liquid.
#pragma once

#include <cstdint>

namespace equijax {

struct Forces {
  int64_t particles, dimensions, slots, types_known;
  // (particles, 4): 32-bit fractions of the box, which wrap by themselves, so that the difference of two is their nearest image; and the type
  const int32_t* places;
  const int32_t* neighbours; // (slots, particles), number plus type times 2^kTypeShift; the particle itself where it has no more
  const float* repulsion;    // (types_known, types_known), 48 epsilon sigma^12
  const float* attraction;   // likewise, 24 epsilon sigma^6
  const float* reach;        // likewise, squares of the cut
  float scale[3];            // side of the box / 2^32, 0 for an axis that is not there
  double* out;               // (particles, dimensions)
};

struct ForceKernels {
  const char* name;
  // places of `count` particles that begin with number `first`; types repeat every `period` particles
  void (*place)(const double* positions, const int32_t* types, int64_t period, const double* box, int64_t dimensions, int64_t first, int64_t count, int32_t* places);
  // those of particles first .. first + count - 1; false if one of them has a neighbour that does not exist
  bool (*forces)(const Forces&, int64_t first, int64_t count);
};

namespace baseline { extern const ForceKernels force_kernels; }
namespace avx2 { extern const ForceKernels force_kernels; }
namespace avx512 { extern const ForceKernels force_kernels; }

}  // namespace equijax
