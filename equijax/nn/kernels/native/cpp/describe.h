// From the buffers and attributes of an XLA call to a `Problem`.
#pragma once

#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "problem.h"
#include "xla/ffi/api/ffi.h"

namespace equijax {

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using Integers = ffi::Buffer<ffi::S32>;
using Result = ffi::ResultBuffer<ffi::F32>;
using Numbers = ffi::Span<const int64_t>;

// Leading dimensions of `buffer` before its last `rank`, multiplied: how many problems a call carries.
inline int64_t batch_of(const Floats& features) {
  int64_t batch = 1;
  for (size_t k = 0; k + 2 < features.dimensions().size(); ++k) batch *= features.dimensions()[k];
  return batch;
}

inline int64_t dimension(ffi::Span<const int64_t> dimensions, int from_last) { return dimensions[dimensions.size() - from_last]; }

// The arrays that every call has in common.
struct Arrays {
  const Floats &features, &table, &distances, &harmonics;
  const Integers &senders, &degrees;
};

inline ffi::Error bad(const std::string& what) { return ffi::Error::InvalidArgument("equijax native convolution: " + what); }

// chunks: (channels, order, start) each; blocks: (order, width) each; paths: (chunk, filter, output, column, block, first) each.
struct Shape {
  Numbers chunks, blocks, paths;
  int64_t l_max;
  float cutoff;
};

inline ffi::Error describe(const Arrays& a, const Shape& shape, Problem& p) {
  p.nodes = dimension(a.features.dimensions(), 2);
  p.features = dimension(a.features.dimensions(), 1);
  p.slots = dimension(a.distances.dimensions(), 1);
  p.knots = dimension(a.table.dimensions(), 3);
  p.columns = dimension(a.table.dimensions(), 1);
  p.l_max = static_cast<int>(shape.l_max);
  p.cutoff = shape.cutoff;
  if (shape.l_max < 0 || shape.l_max > 3) return bad("l_max must be 0 to 3, it is " + std::to_string(shape.l_max));
  if (p.knots < 2 || !(p.cutoff > 0)) return bad("the table needs two knots and a positive cutoff");
  if (dimension(a.harmonics.dimensions(), 2) != (p.l_max + 1) * (p.l_max + 1) || dimension(a.harmonics.dimensions(), 1) != p.slots)
    return bad("harmonics must have (l_max + 1)^2 rows of as many slots as there are distances");
  if (dimension(a.distances.dimensions(), 2) != p.nodes || dimension(a.senders.dimensions(), 1) != p.slots || dimension(a.degrees.dimensions(), 1) != p.nodes)
    return bad("features, distances, senders and degrees must have the same nodes and slots");
  const Numbers &c = shape.chunks, &b = shape.blocks, &q = shape.paths;
  for (size_t k = 0; k + 3 <= c.size(); k += 3) {
    p.chunks.push_back({static_cast<int>(c[k]), static_cast<int>(c[k + 1]), c[k + 2]});
    if (c[k] < 1 || c[k + 1] < 0 || c[k + 1] > 3 || c[k + 2] + c[k] * (2 * c[k + 1] + 1) > p.features) return bad("a chunk lies outside the features");
  }
  for (size_t k = 0; k + 2 <= b.size(); k += 2) p.blocks.push_back({static_cast<int>(b[k]), b[k + 1]});
  for (size_t k = 0; k + 6 <= q.size(); k += 6) {
    const Path path{static_cast<int>(q[k]), static_cast<int>(q[k + 1]), static_cast<int>(q[k + 2]), q[k + 3], static_cast<int>(q[k + 4]), q[k + 5]};
    if (q[k] < 0 || q[k] >= static_cast<int64_t>(p.chunks.size()) || q[k + 4] < 0 || q[k + 4] >= static_cast<int64_t>(p.blocks.size()))
      return bad("a path has no chunk or no block");
    const Chunk& chunk = p.chunks[path.chunk];
    const Block& block = p.blocks[path.block];
    if (path.filter < 0 || path.filter > p.l_max || path.output > 3 || path.output < std::abs(chunk.order - path.filter) || path.output > chunk.order + path.filter)
      return bad("a path breaks the triangle rule");
    if (path.column + chunk.channels > p.columns || block.order != path.output || path.first + chunk.channels > block.width)
      return bad("a path lies outside the table or the messages");
    p.paths.push_back(path);
  }
  return ffi::Error::Success();
}

// Point `p` to the arrays of one problem of the batch.
inline void select(const Arrays& a, int64_t index, Problem& p) {
  const int64_t edges = p.nodes * p.slots;
  p.feature = a.features.typed_data() + index * p.nodes * p.features;
  p.table = a.table.typed_data() + index * p.knots * 2 * p.columns;
  p.distances = a.distances.typed_data() + index * edges;
  p.harmonics = a.harmonics.typed_data() + index * edges * (p.l_max + 1) * (p.l_max + 1);
  p.senders = a.senders.typed_data() + index * edges;
  p.degrees = a.degrees.typed_data() + index * p.nodes;
}

// The arrays of messages, or of their cotangents, of one problem of the batch.
template <class Messages>
ffi::Error select(const Messages& messages, int64_t index, const Problem& p, std::vector<float*>& blocks) {
  if (messages.size() != p.blocks.size()) return bad("there must be an array of messages for each block");
  for (size_t k = 0; k < p.blocks.size(); ++k) {
    auto block = messages.template get<Floats>(k);
    if (!block.has_value()) return block.error();
    float* data;
    if constexpr (std::is_same_v<Messages, ffi::RemainingRets>) {
      data = block.value()->typed_data();
    } else {
      data = block.value().typed_data();
    }
    blocks.push_back(data + index * p.nodes * (2 * p.blocks[k].order + 1) * p.blocks[k].width);
  }
  return ffi::Error::Success();
}

#define EQUIJAX_SHAPE .Attr<Numbers>("chunks").Attr<Numbers>("blocks").Attr<Numbers>("paths").Attr<int64_t>("l_max").Attr<float>("cutoff")

}  // namespace equijax
