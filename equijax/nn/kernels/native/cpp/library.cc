// What Python sees: XLA handlers of the convolution and its gradients, and the name of the instruction set that was chosen.

#include <cstdlib>
#include <new>
#include <string>

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

// chunks: (channels, order, start) each; paths: (chunk, filter, output, column, row, stride) each.
ffi::ErrorOr<Problem> problem_of(const Floats& features, const Floats& table, const Floats& distances, const Floats& harmonics, const Integers& senders,
                                 const Integers& degrees, Numbers chunks, Numbers paths, int64_t l_max, int64_t messages, float cutoff) {
  Problem p{};
  p.nodes = dimension(features.dimensions(), 2);
  p.features = dimension(features.dimensions(), 1);
  p.slots = dimension(distances.dimensions(), 1);
  p.knots = dimension(table.dimensions(), 3);
  p.columns = dimension(table.dimensions(), 1);
  p.messages = messages;
  p.l_max = static_cast<int>(l_max);
  p.cutoff = cutoff;
  const auto bad = [](const std::string& what) { return ffi::Unexpected(ffi::Error::InvalidArgument("equijax native convolution: " + what)); };
  if (l_max < 0 || l_max > 3) return bad("l_max must be 0 to 3, it is " + std::to_string(l_max));
  if (p.knots < 2 || !(cutoff > 0)) return bad("the table needs two knots and a positive cutoff");
  if (dimension(harmonics.dimensions(), 2) != (l_max + 1) * (l_max + 1) || dimension(harmonics.dimensions(), 1) != p.slots)
    return bad("harmonics must have (l_max + 1)^2 rows of as many slots as there are distances");
  if (dimension(distances.dimensions(), 2) != p.nodes || dimension(senders.dimensions(), 1) != p.slots || dimension(degrees.dimensions(), 1) != p.nodes)
    return bad("features, distances, senders and degrees must have the same nodes and slots");
  for (size_t k = 0; k + 3 <= chunks.size(); k += 3) {
    p.chunks.push_back({static_cast<int>(chunks[k]), static_cast<int>(chunks[k + 1]), chunks[k + 2]});
    if (chunks[k] < 1 || chunks[k + 1] < 0 || chunks[k + 1] > 3 || chunks[k + 2] + chunks[k] * (2 * chunks[k + 1] + 1) > p.features)
      return bad("a chunk lies outside the features");
  }
  for (size_t k = 0; k + 6 <= paths.size(); k += 6) {
    if (paths[k] < 0 || paths[k] >= static_cast<int64_t>(p.chunks.size())) return bad("a path has no chunk");
    const Path path{static_cast<int>(paths[k]), static_cast<int>(paths[k + 1]), static_cast<int>(paths[k + 2]), paths[k + 3], paths[k + 4], paths[k + 5]};
    const Chunk& chunk = p.chunks[path.chunk];
    if (path.filter < 0 || path.filter > l_max || path.output > 3 || path.output < std::abs(chunk.order - path.filter) || path.output > chunk.order + path.filter)
      return bad("a path breaks the triangle rule");
    if (path.column + chunk.channels > p.columns || path.row + 2 * path.output * path.stride + chunk.channels > messages) return bad("a path lies outside the table or the messages");
    p.paths.push_back(path);
  }
  return p;
}

// Point `p` to the arrays of one problem of the batch; returns what is wrong with their contents.
ffi::Error select(Problem& p, int64_t index, const Floats& features, const Floats& table, const Floats& distances, const Floats& harmonics,
                  const Integers& senders, const Integers& degrees) {
  p.feature = features.typed_data() + index * p.nodes * p.features;
  p.table = table.typed_data() + index * p.knots * 2 * p.columns;
  p.distances = distances.typed_data() + index * p.nodes * p.slots;
  p.harmonics = harmonics.typed_data() + index * p.nodes * (p.l_max + 1) * (p.l_max + 1) * p.slots;
  p.senders = senders.typed_data() + index * p.nodes * p.slots;
  p.degrees = degrees.typed_data() + index * p.nodes;
  for (int64_t n = 0; n < p.nodes; ++n) {
    if (p.degrees[n] < 0 || p.degrees[n] > p.slots) return ffi::Error::InvalidArgument("equijax native convolution: a degree is not between 0 and the slots");
    for (int64_t k = 0; k < p.degrees[n]; ++k)
      if (p.senders[n * p.slots + k] < 0 || p.senders[n * p.slots + k] >= p.nodes)
        return ffi::Error::InvalidArgument("equijax native convolution: node " + std::to_string(n) + " has a sender " + std::to_string(p.senders[n * p.slots + k]) +
                                           " that does not exist");
  }
  return ffi::Error::Success();
}

template <class Body>
ffi::Error for_each_problem(ffi::ThreadPool& pool, const Floats& features, const Floats& table, const Floats& distances, const Floats& harmonics,
                            const Integers& senders, const Integers& degrees, Numbers chunks, Numbers paths, int64_t l_max, int64_t messages, float cutoff, Body&& body) {
  auto problem = problem_of(features, table, distances, harmonics, senders, degrees, chunks, paths, l_max, messages, cutoff);
  if (!problem.has_value()) return problem.error();
  PoolRunner runner(pool);
  for (int64_t index = 0; index < batch_of(features); ++index) {
    if (ffi::Error error = select(*problem, index, features, table, distances, harmonics, senders, degrees); error.failure()) return error;
    try {
      body(*problem, index, runner.runner());
    } catch (const std::bad_alloc&) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "equijax native convolution: out of memory for " + std::to_string(problem->nodes) + " particles");
    }
  }
  return ffi::Error::Success();
}

ffi::Error forward(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees, Result messages,
                   Numbers chunks, Numbers paths, int64_t l_max, float cutoff) {
  const int64_t width = dimension(messages->dimensions(), 1);
  return for_each_problem(pool, features, table, distances, harmonics, senders, degrees, chunks, paths, l_max, width, cutoff,
                          [&](const Problem& p, int64_t index, const Runner& runner) { chosen().forward(p, messages->typed_data() + index * p.nodes * width, runner); });
}

ffi::Error backward(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees, Floats cotangent,
                    Result feature_gradient, Result table_gradient, Numbers chunks, Numbers paths, int64_t l_max, float cutoff, bool with_table) {
  const int64_t width = dimension(cotangent.dimensions(), 1);
  return for_each_problem(pool, features, table, distances, harmonics, senders, degrees, chunks, paths, l_max, width, cutoff,
                          [&](const Problem& p, int64_t index, const Runner& runner) {
                            float* into = with_table ? table_gradient->typed_data() + index * p.knots * 2 * p.columns : nullptr;
                            chosen().backward(p, cotangent.typed_data() + index * p.nodes * width, feature_gradient->typed_data() + index * p.nodes * p.features, into, runner);
                          });
}

ffi::Error geometry(ffi::ThreadPool pool, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees, Floats cotangent,
                    Floats slopes, Result distance_gradient, Result harmonic_gradient, Numbers chunks, Numbers paths, int64_t l_max, float cutoff) {
  const int64_t width = dimension(cotangent.dimensions(), 1);
  return for_each_problem(pool, features, table, distances, harmonics, senders, degrees, chunks, paths, l_max, width, cutoff,
                          [&](const Problem& p, int64_t index, const Runner& runner) {
                            const int64_t edges = p.nodes * p.slots;
                            chosen().geometry(p, slopes.typed_data() + index * p.knots * 2 * p.columns, cotangent.typed_data() + index * p.nodes * width, distance_gradient->typed_data() + index * edges,
                                              harmonic_gradient->typed_data() + index * edges * (p.l_max + 1) * (p.l_max + 1), runner);
                          });
}

auto binding() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Integers>().Arg<Integers>();
}

}  // namespace

extern "C" const char* equijax_instruction_set() { return chosen().name; }

#define EQUIJAX_COMMON .Attr<Numbers>("chunks").Attr<Numbers>("paths").Attr<int64_t>("l_max").Attr<float>("cutoff")

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_forward, forward, binding().Ret<Floats>() EQUIJAX_COMMON);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_backward, backward, binding().Arg<Floats>().Ret<Floats>().Ret<Floats>() EQUIJAX_COMMON.Attr<bool>("with_table"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_geometry, geometry, binding().Arg<Floats>().Arg<Floats>().Ret<Floats>().Ret<Floats>() EQUIJAX_COMMON);

}  // namespace equijax
