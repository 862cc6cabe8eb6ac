// What Python sees: XLA handlers of the convolution and its gradients, and the name of the instruction set that was chosen.

#include <cstdlib>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "pool.h"
#include "problem.h"

namespace equijax {
namespace {

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using Integers = ffi::Buffer<ffi::S32>;
using Result = ffi::ResultBuffer<ffi::F32>;
using Numbers = ffi::Span<const int64_t>;

const Kernels& chosen() {
  static const Kernels& kernels = []() -> const Kernels& {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
      return avx512::kernels;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kernels;
#endif
    return baseline::kernels;
  }();
  return kernels;
}

// Leading dimensions of `buffer` before its last `rank`, multiplied: how many problems a call carries.
int64_t batch_of(const Floats& features) {
  int64_t batch = 1;
  for (size_t k = 0; k + 2 < features.dimensions().size(); ++k) batch *= features.dimensions()[k];
  return batch;
}

int64_t dimension(ffi::Span<const int64_t> dimensions, int from_last) { return dimensions[dimensions.size() - from_last]; }

// The arrays that every call has in common.
struct Arrays {
  const Floats &features, &table, &distances, &harmonics;
  const Integers &senders, &degrees;
};

ffi::Error bad(const std::string& what) { return ffi::Error::InvalidArgument("equijax native convolution: " + what); }

// chunks: (channels, order, start) each; blocks: (order, width) each; paths: (chunk, filter, output, column, block, first) each.
struct Shape {
  Numbers chunks, blocks, paths;
  int64_t l_max;
  float cutoff;
};

ffi::Error describe(const Arrays& a, const Shape& shape, Problem& p) {
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

// Point `p` to the arrays of one problem of the batch, and check what would lead outside of them.
ffi::Error select(const Arrays& a, int64_t index, Problem& p) {
  const int64_t edges = p.nodes * p.slots;
  p.feature = a.features.typed_data() + index * p.nodes * p.features;
  p.table = a.table.typed_data() + index * p.knots * 2 * p.columns;
  p.distances = a.distances.typed_data() + index * edges;
  p.harmonics = a.harmonics.typed_data() + index * edges * (p.l_max + 1) * (p.l_max + 1);
  p.senders = a.senders.typed_data() + index * edges;
  p.degrees = a.degrees.typed_data() + index * p.nodes;
  for (int64_t n = 0; n < p.nodes; ++n) {
    if (p.degrees[n] < 0 || p.degrees[n] > p.slots) return bad("node " + std::to_string(n) + " has a degree outside 0 to " + std::to_string(p.slots));
    for (int64_t k = n * p.slots; k < n * p.slots + p.degrees[n]; ++k)
      if (p.senders[k] < 0 || p.senders[k] >= p.nodes) return bad("node " + std::to_string(n) + " has a sender " + std::to_string(p.senders[k]) + " that does not exist");
  }
  return ffi::Error::Success();
}

// Calls body(problem, index, blocks, runner) for each problem of the batch, with the messages' arrays of that problem.
template <class Messages, class Body>
ffi::Error for_each_problem(ffi::ThreadPool& pool, const Arrays& arrays, const Shape& shape, const Messages& messages, Body&& body) {
  Problem p{};
  if (ffi::Error error = describe(arrays, shape, p); error.failure()) return error;
  if (messages.size() != p.blocks.size()) return bad("there must be an array of messages for each block");
  PoolRunner runner(pool);
  for (int64_t index = 0; index < batch_of(arrays.features); ++index) {
    if (ffi::Error error = select(arrays, index, p); error.failure()) return error;
    std::vector<float*> blocks;
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
    try {
      body(p, index, blocks.data(), runner.runner());
    } catch (const std::bad_alloc&) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "equijax native convolution: out of memory for " + std::to_string(p.nodes) + " particles");
    }
  }
  return ffi::Error::Success();
}

ffi::Error forward(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                   ffi::RemainingRets messages, Numbers chunks, Numbers blocks, Numbers paths, int64_t l_max, float cutoff) {
  return for_each_problem(pool, {features, table, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, messages,
                          [](const Problem& p, int64_t, float* const* out, const Runner& runner) { chosen().forward(p, out, runner); });
}

ffi::Error backward(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                    ffi::RemainingArgs cotangent, Result feature_gradient, Result table_gradient, Numbers chunks, Numbers blocks, Numbers paths,
                    int64_t l_max, float cutoff, bool with_table) {
  return for_each_problem(pool, {features, table, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, cotangent,
                          [&](const Problem& p, int64_t index, const float* const* in, const Runner& runner) {
                            float* into = with_table ? table_gradient->typed_data() + index * p.knots * 2 * p.columns : nullptr;
                            chosen().backward(p, in, feature_gradient->typed_data() + index * p.nodes * p.features, into, runner);
                          });
}

ffi::Error geometry(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                    Floats slopes, ffi::RemainingArgs cotangent, Result distance_gradient, Result harmonic_gradient, Numbers chunks, Numbers blocks,
                    Numbers paths, int64_t l_max, float cutoff) {
  return for_each_problem(pool, {features, table, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, cotangent,
                          [&](const Problem& p, int64_t index, const float* const* in, const Runner& runner) {
                            const int64_t edges = p.nodes * p.slots, rows = (p.l_max + 1) * (p.l_max + 1);
                            chosen().geometry(p, slopes.typed_data() + index * p.knots * 2 * p.columns, in, distance_gradient->typed_data() + index * edges,
                                              harmonic_gradient->typed_data() + index * edges * rows, runner);
                          });
}

auto binding() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Integers>().Arg<Integers>();
}

}  // namespace

extern "C" const char* equijax_instruction_set() { return chosen().name; }

#define EQUIJAX_SHAPE .Attr<Numbers>("chunks").Attr<Numbers>("blocks").Attr<Numbers>("paths").Attr<int64_t>("l_max").Attr<float>("cutoff")

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_forward, forward, binding().RemainingRets() EQUIJAX_SHAPE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_backward, backward, binding().RemainingArgs().Ret<Floats>().Ret<Floats>() EQUIJAX_SHAPE.Attr<bool>("with_table"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_geometry, geometry, binding().Arg<Floats>().RemainingArgs().Ret<Floats>().Ret<Floats>() EQUIJAX_SHAPE);

}  // namespace equijax
