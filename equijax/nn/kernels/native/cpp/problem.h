// One convolution: its sizes, its arrays, and the paths it sums.
//
//   out_i[path, o, c] = sum_j phi_path,c(r_ij) sum_{m, f} C[m, f, o] Y_f(r_ij) h_j[path.chunk, c, m]
//
// phi is read from a table of values and slopes at equally spaced knots by cubic Hermite interpolation.
#pragma once

#include <cstdint>
#include <vector>

namespace equijax {

// A run of `channels` equivalent irreps of one order in the features; entry (channel, m) lies at start + channel (2 order + 1) + m.
struct Chunk {
  int channels, order;
  int64_t start;
};

// The messages of all triplets with one output order: an array (nodes, 2 order + 1, width), width counting (triplet, channel).
struct Block {
  int order;
  int64_t width;
};

// One triplet; its filters are the columns column .. of the table, its messages the channels first .. of their block.
struct Path {
  int chunk, filter, output;
  int64_t column;
  int block;
  int64_t first;
};

struct Problem {
  int64_t nodes, slots;         // rows and slots of the neighbour list
  int64_t features;             // floats a node
  int64_t knots, columns;       // of the table (knots, 2, columns)
  int l_max;
  float cutoff;
  std::vector<Chunk> chunks;
  std::vector<Block> blocks;
  std::vector<Path> paths;
  const float* distances;       // (nodes, slots)
  const float* harmonics;       // (nodes, (l_max + 1)^2, slots), zero in empty slots
  const int32_t* senders;       // (nodes, slots)
  const int32_t* degrees;       // (nodes), slots in use, from the front
  const float* feature;         // (nodes, features)
  const float* table;           // (knots, 2, columns)
};

// Calls task(context, index) for every index below count, perhaps in parallel, and returns when all are done.
struct Runner {
  void (*run)(void* self, int64_t count, void (*task)(void* context, int64_t index), void* context);
  void* self;

  template <class Task>
  void operator()(int64_t count, Task&& task) const {
    run(self, count, [](void* context, int64_t index) { (*static_cast<Task*>(context))(index); }, &task);
  }
};

// What one instruction set offers. The choice between them is made once, when the library is loaded.
struct Kernels {
  const char* name;
  int lanes;
  // the messages of each block
  void (*forward)(const Problem&, float* const* messages, const Runner&);
  // from the cotangents of the messages: that of the features (nodes, features), and of the table (knots, 2, columns) unless it is null
  void (*backward)(const Problem&, const float* const* cotangent, float* features, float* table, const Runner&);
  // and those of distances (nodes, slots) and harmonics (nodes, (l_max + 1)^2, slots), with a table (knots, 2, columns) of slope and curvature
  void (*geometry)(const Problem&, const float* slopes, const float* const* cotangent, float* distances, float* harmonics, const Runner&);
};

namespace baseline { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }

}  // namespace equijax
