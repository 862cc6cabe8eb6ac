// What Python sees: XLA handlers of the convolution and its gradients, and the name of the instruction set that was chosen.

#include <new>
#include <string>
#include <vector>

#include "describe.h"
#include "instruction_set.h"
#include "pool.h"

namespace equijax {
namespace {

const Kernels& chosen() {
  static const Kernels& kernels = EQUIJAX_BEST(kernels);
  return kernels;
}

// Check what would lead outside of the arrays.
ffi::Error check(const Problem& p) {
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
  PoolRunner runner(pool);
  for (int64_t index = 0; index < batch_of(arrays.features); ++index) {
    select(arrays, index, p);
    if (ffi::Error error = check(p); error.failure()) return error;
    std::vector<float*> blocks;
    if (ffi::Error error = select(messages, index, p, blocks); error.failure()) return error;
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_forward, forward, binding().RemainingRets() EQUIJAX_SHAPE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_backward, backward, binding().RemainingArgs().Ret<Floats>().Ret<Floats>() EQUIJAX_SHAPE.Attr<bool>("with_table"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_geometry, geometry, binding().Arg<Floats>().RemainingArgs().Ret<Floats>().Ret<Floats>() EQUIJAX_SHAPE);

}  // namespace equijax
