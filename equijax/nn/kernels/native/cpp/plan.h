// How a problem is laid out for vectors of W lanes.
//
// The channels of a chunk are cut into groups of W, W / 2 or W / 4 channels, so that a vector holds one, two or four edges. A group has its own
// columns in packed copies of the features, the table and the cotangents, padded with zeros.
#pragma once

#include <algorithm>

#include "problem.h"
#include "vector.h"

namespace equijax::EQUIJAX_TARGET {

struct Group {
  int chunk, order, first, channels;  // valid channels first .. first + channels - 1 of the chunk
  int width, level;                   // padded channels W / G, with G = 1 << level
  int64_t feature;                    // offset in a packed row of features: (2 order + 1, width)
  int64_t column, columns;            // offset and extent in a packed row of the table: (paths, width), a multiple of W
  int64_t message;                    // offset in a packed row of messages: for each path (2 output + 1, width)
  std::vector<int> paths;
};

struct Plan {
  std::vector<Group> groups;
  int64_t features = 0, columns = 0, messages = 0, widest = 0;  // floats in packed rows, and the most columns of a group
  int64_t harmonics;                                            // rows of Y

  explicit Plan(const Problem& p) : harmonics((p.l_max + 1) * (p.l_max + 1)) {
    for (int chunk = 0; chunk < static_cast<int>(p.chunks.size()); ++chunk) {
      for (int first = 0; first < p.chunks[chunk].channels;) {
        const int left = p.chunks[chunk].channels - first;
        Group b{};
        b.chunk = chunk;
        b.order = p.chunks[chunk].order;
        b.first = first;
        // A scalar costs so little per edge that one wide group, half empty, beats two narrow ones.
        const int enough = b.order == 0 ? W / 2 : 3 * W / 4;
        b.level = left > enough || W == 4 ? 0 : left > enough / 2 || W == 8 ? 1 : 2;
        b.width = W >> b.level;
        b.channels = std::min(left, b.width);
        for (int k = 0; k < static_cast<int>(p.paths.size()); ++k)
          if (p.paths[k].chunk == chunk) b.paths.push_back(k);
        b.feature = features;
        b.column = columns;
        b.columns = (static_cast<int64_t>(b.paths.size()) * b.width + W - 1) / W * W;
        b.message = messages;
        features += (2 * b.order + 1) * b.width;
        columns += b.columns;
        for (int k : b.paths) messages += (2 * p.paths[k].output + 1) * b.width;
        widest = std::max(widest, b.columns);
        groups.push_back(b);
        first += b.channels;
      }
    }
  }

  // Features of one node to their packed row.
  void pack_features(const Problem& p, const float* row, float* packed) const {
    for (const Group& b : groups) {
      const float* from = row + p.chunks[b.chunk].start + b.first * (2 * b.order + 1);
      for (int m = 0; m < 2 * b.order + 1; ++m)
        for (int c = 0; c < b.width; ++c) packed[b.feature + m * b.width + c] = c < b.channels ? from[c * (2 * b.order + 1) + m] : 0;
    }
  }

  // Cotangents of the messages of one node to their packed row.
  void pack_messages(const Problem& p, const float* const* messages, int64_t node, float* packed) const {
    for (const Group& b : groups) {
      float* to = packed + b.message;
      for (int k : b.paths) {
        const float* from = message(p, messages, p.paths[k], node, b.first);
        const int64_t stride = p.blocks[p.paths[k].block].width;
        for (int o = 0; o < 2 * p.paths[k].output + 1; ++o, from += stride, to += b.width) {
          std::memcpy(to, from, 4 * b.channels);
          std::memset(to + b.channels, 0, 4 * (b.width - b.channels));
        }
      }
    }
  }

  // Where the messages (o, channel) of a path and node start, from its channel `first` on; rows of o are the block's width apart.
  template <class Float>
  static Float* message(const Problem& p, Float* const* messages, const Path& path, int64_t node, int first) {
    const Block& block = p.blocks[path.block];
    return messages[path.block] + node * (2 * block.order + 1) * block.width + path.first + first;
  }

  // One row of the table to its packed row.
  void pack_table(const Problem& p, const float* row, float* packed) const {
    std::memset(packed, 0, 4 * columns);
    for (const Group& b : groups)
      for (size_t k = 0; k < b.paths.size(); ++k) std::memcpy(packed + b.column + k * b.width, row + p.paths[b.paths[k]].column + b.first, 4 * b.channels);
  }

  // One packed row of the table's cotangent back to the table's columns.
  void unpack_table(const Problem& p, const float* packed, float* row) const {
    for (const Group& b : groups)
      for (size_t k = 0; k < b.paths.size(); ++k) std::memcpy(row + p.paths[b.paths[k]].column + b.first, packed + b.column + k * b.width, 4 * b.channels);
  }
};

}  // namespace equijax::EQUIJAX_TARGET
